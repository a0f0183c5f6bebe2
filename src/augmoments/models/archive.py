"""A ``.pt2`` archive reduced to what can be read without running anything.

``torch.export.load`` unpickles parts of an archive where the archive asks for it, and evaluates
text in it: shape expressions, guards, and names that become source code. So it is only given a
copy made here: the graph as JSON with every string vetted, and raw tensors. Sample inputs, which
are pickled, are left out.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from augmoments.data.dataset import reason
from augmoments.errors import DataError, ModelError

_DAMAGED = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
)

_GRAPH = "models/model.json"
_INPUTS = "data/sample_inputs/model.pt"
_PAYLOADS = (
    "data/weights/model_weights_config.json",
    "data/constants/model_constants_config.json",
)
_COPIED = ("archive_format", "archive_version", "byteorder", ".data/version", "version")
_RAW = re.compile(r"data/(weights/weight|constants/tensor)_\d+")

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|higher_order|torchvision|quantized|quantized_decomposed)\.\w+(\.\w+)?"
    r"|_operator\.\w+|math\.\w+|torch\._?sym_\w+|torch\._sym_\w+"
)
_REFUSED = re.compile(r"\.(from_file|save|load\w*|call_torchbind|triton_\w+|print)\b")
_NAME = re.compile(r"[\w.]*")
_TEXT = re.compile(r"[\w .,:;<>=+*/\[\]{}-]*")
_EXPRESSION = re.compile(r"[\w+\-*/%(), <>=~&|.']*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_SYMBOL = re.compile(
    r"z?[suf]f?\d+|True|False|oo|int_oo|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilToInt|"
    r"FloorToInt|TruncToInt|IntTrueDiv|FloatTrueDiv|ToFloat|Piecewise|ITE|Ne|Eq|Lt|Le|Gt|Ge|And|"
    r"Or|Not|Where|Identity|PowByNatural|FloatPow|floor|ceiling|Integer|Rational|Float|"
    r"Add|Mul|Pow|Equality|Unequality|LessThan|GreaterThan|StrictLessThan|StrictGreaterThan|"
    r"Symbol|integer|positive|negative|nonnegative|nonpositive|real|zero|nonzero|finite|bool"
)
_DROPPED = ("metadata", "torch_fn", "stack_trace")
_SPECS = ("in_spec", "out_spec")


def clean_copy(path: Path) -> bytes:
    """The archive at ``path`` with nothing in it that would be unpickled or evaluated.

    Raises:
        DataError: It is damaged.
        ModelError: It cannot do without what is left out.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {
                name.partition("/")[2]: archive.read(name)
                for name in archive.namelist()
                if not name.endswith("/")
            }
    except _DAMAGED as error:
        raise DataError(f"{path} is damaged ({reason(error)}): save it again.") from error
    kept = {name: parts[name] for name in parts if name in _COPIED or _RAW.fullmatch(name)}
    try:
        kept[_GRAPH] = json.dumps(_vetted(path, json.loads(parts[_GRAPH]))).encode()
        for name in _PAYLOADS:
            config = json.loads(parts[name]) if name in parts else {"config": {}}
            kept[name] = json.dumps(_vetted_payload(path, config)).encode()
    except ModelError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({reason(error)}): save it again.") from error
    kept[_INPUTS] = b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in kept.items():
            archive.writestr(f"model/{name}", content)
    return buffer.getvalue()


def _vetted_payload(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The list of tensors, all of them raw."""
    for name, entry in config["config"].items():
        raw = re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"])
        if entry["use_pickle"] or not raw:
            raise ModelError(
                f"{path} has {name!r} in pickled form (a tensor subclass or a custom object), "
                "which is not unpickled here: export the model with plain tensors."
            )
        _vet(path, name, _NAME, "name")
        _walk(path, entry)
    return config


def _vetted(path: Path, model: dict[str, Any]) -> dict[str, Any]:
    """The graph, without the notes on its source, once every string in it is harmless."""
    if model.get("guards_code"):
        raise ModelError(
            f"{path} has conditions on its inputs as source text, which is not run here: export "
            "the model with only the batch dimension dynamic."
        )
    model.pop("torch_version", None)
    return _walk(path, model)


def _walk(path: Path, value: Any, key: str = "") -> Any:
    """A copy of JSON values; strings are checked by the key they stand under."""
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            _vet(path, name, _EXPRESSION if key == "range_constraints" else _NAME, "name")
            if name in _DROPPED:
                inner = {}
            kept[name] = _walk(path, inner, name)
        return kept
    if isinstance(value, list):
        return [_walk(path, inner, key) for inner in value]
    if isinstance(value, str):
        _check_string(path, value, key)
    return value


def _check_string(path: Path, text: str, key: str) -> None:
    if key in _SPECS:
        _check_spec(path, json.loads(text)[1])
    elif key == "target":
        _vet(path, text, _OPERATOR, "operator")
        if _REFUSED.search(text):
            raise _refusal(path, "operator", text)
    elif key == "expr_str":
        _vet(path, text, _EXPRESSION, "shape expression")
        for word in _WORD.findall(text):
            _vet(path, word, _SYMBOL, "shape expression")
    else:
        _vet(path, text, _TEXT if key == "as_string" else _NAME, "name")


def _check_spec(path: Path, spec: dict[str, Any]) -> None:
    """How inputs and outputs are nested: tuples, lists and dictionaries by plain names."""
    known = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
    if spec["type"] not in known:
        raise ModelError(
            f"{path} has inputs or outputs of type {spec['type']}: export a model that maps one "
            "tensor to one tensor."
        )
    for name in json.loads(spec["context"] or "null") or ():
        _vet(path, str(name), _NAME, "name")
    for child in spec["children_spec"]:
        _check_spec(path, child)


def _vet(path: Path, text: str, allowed: re.Pattern[str], what: str) -> None:
    if not allowed.fullmatch(text):
        raise _refusal(path, what, text)


def _refusal(path: Path, what: str, text: str) -> ModelError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return ModelError(
        f"{path} has the {what} {shown!r}, which is refused because it may do more than compute: "
        "export the model with PyTorch's own operators, or use TorchScript."
    )

"""Fuzzers: each draws a damaged file or a list of arguments and says how it is read."""

import functools
import io
import json
import shutil
import struct
import zipfile

import yaml
from hypothesis import strategies as st

from fuzz import files
from fuzz.mutations import JUNK, changed, damaged

FUZZERS = {}


def fuzzer(function):
    """Register a function ``(draw, root)`` that returns a reader and its arguments."""
    FUZZERS[function.__name__] = function
    return function


_image = functools.cache(files.image)
_model = functools.cache(files.model)
_moments = functools.cache(files.moments)


@fuzzer
def images(draw, root):
    folder = root / "class"
    folder.mkdir()
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(files.IMAGE_FORMATS))
        mode = draw(st.sampled_from(["RGB", "L", "P"] if kind in ("png", "tiff") else ["RGB"]))
        content = draw(damaged(_image(kind, mode=mode)))
        (folder / f"{number}.{kind}").write_bytes(content)
    (folder / "whole.png").write_bytes(_image())
    size = draw(st.sampled_from([None, 5, [4, 7]]))
    reader = draw(st.sampled_from(["read_images", "read_stream"]))
    return reader, {"source": str(root), "size": tuple(size) if isinstance(size, list) else size}


@fuzzer
def idx(draw, root):
    suffix = draw(st.sampled_from(["", ".gz"]))
    contents = [files.idx(files.PIXELS), files.idx(files.LABELS)]
    which = draw(st.integers(0, 1))
    if draw(st.booleans()):
        sides = st.sampled_from([0, 1, 4, 5, 6, 2**16, 2**31, 2**32 - 1])
        shape = draw(st.lists(sides, min_size=1, max_size=4))
        contents[which] = files.idx((files.PIXELS, files.LABELS)[which], shape)
    else:
        contents[which] = draw(damaged(contents[which]))
    files.write_idx(root, *contents, suffix)
    if suffix and draw(st.booleans()):
        path = root / f"train-{('images-idx3', 'labels-idx1')[which]}-ubyte.gz"
        path.write_bytes(draw(damaged(path.read_bytes())))
    return draw(st.sampled_from(["read_images", "read_stream"])), {"source": f"mnist:{root}"}


_SIDES = st.sampled_from([-1, 0, 1, 3, 4, 5, 6, 2**20, 2**31, 2**62, 2**64])
_KINDS = st.sampled_from(
    [
        "|u1",
        "<f4",
        ">f8",
        "|b1",
        "<i8",
        "<U5",
        "|S3",
        "|O",
        "|V9",
        "<c8",
        "<M8[s]",
        "",
        "x",
        "<U999",
    ]
)


@st.composite
def _member(draw):
    """An array's file, whole, damaged, or with a header that is drawn."""
    array = draw(st.sampled_from([files.PIXELS, files.LABELS, files.PIXELS / 255]))
    match draw(st.integers(0, 3)):
        case 0:
            return files.npy(array)
        case 1:
            return draw(damaged(files.npy(array)))
        case 2:
            shape = tuple(draw(st.lists(_SIDES, max_size=4)))
            facts = {"descr": draw(_KINDS), "fortran_order": draw(st.booleans()), "shape": shape}
            return files.npy_with_header(repr(facts), array.tobytes(), draw(st.integers(1, 4)))
    facts = {"descr": "|u1", "fortran_order": False, "shape": [6, 5, 4]}
    return files.npy_with_header(repr(draw(changed(facts))).encode().decode("latin1"))


@fuzzer
def npz(draw, root):
    names = ["images.npy", "labels.npy", "classes.npy", "images", "../x.npy", "a\x00.npy"]
    members = [("images.npy", draw(_member()))]
    for name in draw(st.lists(st.sampled_from(names), max_size=3)):
        members.append((name, draw(_member())))
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2]
    content = files.zipped(members, draw(st.sampled_from(methods)))
    if draw(st.booleans()):
        content = draw(damaged(content))
    (root / "a.npz").write_bytes(content)
    return draw(st.sampled_from(["read_images", "read_stream"])), {"source": str(root / "a.npz")}


@functools.cache
def _group(version):
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp())
    files.write_zarr(folder / "a.zarr", version)
    return folder / "a.zarr"


@fuzzer
def zarr(draw, root):
    version = draw(st.sampled_from([2, 3]))
    path = root / "a.zarr"
    shutil.copytree(_group(version), path)
    there = sorted(file for file in path.rglob("*") if file.is_file())
    for _ in range(draw(st.integers(1, 2))):
        file = draw(st.sampled_from(there))
        match draw(st.integers(0, 5)):
            case 0:
                file.unlink(missing_ok=True)
            case 1 | 2 if file.exists():
                file.write_bytes(draw(damaged(file.read_bytes())))
            case _:
                _change_json(draw, draw(st.sampled_from([f for f in there if _is_json(f)])))
    return draw(st.sampled_from(["read_images", "read_stream"])), {"source": str(path)}


def _is_json(file):
    return file.name in ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def _change_json(draw, file):
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return
    file.write_text(json.dumps(draw(changed(value))))


@fuzzer
def sums(draw, root):
    content = _moments()
    if draw(st.booleans()):
        content = draw(damaged(content))
    else:
        (size,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + size])
        header["__metadata__"]["augmoments"] = json.loads(header["__metadata__"]["augmoments"])
        header = draw(changed(header))
        if isinstance(header, dict) and isinstance(header.get("__metadata__"), dict):
            told = header["__metadata__"]
            told["augmoments"] = json.dumps(told.get("augmoments"))
        text = json.dumps(header).encode()
        content = struct.pack("<Q", len(text)) + text + content[8 + size :]
    (root / "a").write_bytes(content)
    return "read_moments", {"path": str(root / "a")}


@st.composite
def _policies(draw):
    """A policy whose steps have arguments of any kind."""
    from augmoments.config.steps import STEPS, arguments_of

    steps = []
    for name in draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3)):
        known = sorted(arguments_of(STEPS[name]))
        given = draw(st.dictionaries(st.sampled_from(known), st.one_of(JUNK, _LAWS), max_size=3))
        steps.append({name: given})
    return steps


_NUMBERS = st.one_of(st.floats(), st.integers(-(10**20), 10**20), st.floats(-2, 2))
_LAWS = st.one_of(
    _NUMBERS,
    st.lists(_NUMBERS, min_size=2, max_size=4),
    st.dictionaries(
        st.sampled_from(["Uniform", "Normal", "Beta", "Discrete", "LogUniform", "Triangular"]),
        st.lists(st.one_of(_NUMBERS, JUNK), max_size=4),
        min_size=1,
        max_size=1,
    ),
)


@fuzzer
def policies(draw, root):
    path = root / "a.yaml"
    match draw(st.integers(0, 2)):
        case 0:
            path.write_bytes(draw(damaged(files.POLICY.encode())))
        case 1:
            path.write_text(_spelt(draw(changed(yaml.safe_load(files.POLICY)))))
        case 2:
            path.write_text(_spelt(draw(_policies())))
    return "read_policy", {"path": str(path)}


@fuzzer
def configurations(draw, root):
    from augmoments.config.runs import KEYS

    path = root / "a.yaml"
    match draw(st.integers(0, 2)):
        case 0:
            path.write_bytes(draw(damaged(files.CONFIG.encode())))
        case 1:
            path.write_text(_spelt(draw(changed(yaml.safe_load(files.CONFIG)))))
        case 2:
            path.write_text(_spelt(draw(st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=4))))
    return "read_config", {"path": str(path)}


def _spelt(value):
    return yaml.safe_dump(value, allow_unicode=True)


@fuzzer
def models(draw, root):
    kind = draw(st.sampled_from(["exported", "exported", "script"]))
    content = _model(kind)
    if draw(st.integers(0, 2)) == 0:
        content = draw(damaged(content))
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = draw(st.sampled_from(sorted(parts)))
        if name.endswith(".json"):
            parts[name] = json.dumps(draw(changed(json.loads(parts[name])))).encode()
        elif draw(st.booleans()):
            parts[name] = draw(damaged(parts[name]))
        else:
            del parts[name]
        content = files.zipped(parts.items(), zipfile.ZIP_STORED)
    (root / "a").write_bytes(content)
    return "read_model", {"path": str(root / "a")}


_OPTIONS = {
    "quantify": "images policy model loss out size limit tol seed rel-error confidence max-nodes "
    "split key label-key strict json config",
    "explain": "policy shape images size tol seed json",
    "compare": "a b images size limit tol seed max-nodes json",
    "need": "images policy of rel-error confidence bound simultaneous model loss loss-range alpha "
    "until views limit size tol seed max-nodes split key label-key out json",
    "tta": "images policy model passes until rel-error confidence bound average limit top size tol "
    "seed max-nodes split key label-key out json",
    "fit": "images policy alpha validation out checkpoint partition-size size tol seed nodes "
    "max-nodes split key label-key validation-split validation-key strict json",
    "explore": "images out limit size split key label-key",
    "doctor": "json",
    "reproduce": "data out quick seed json",
}
_KNOWN = """
0 1 2 3 8 -1 8x8 1,8,8 1e-3 1e308 1e-400 nan inf -inf 0.5 99999999999999999999 0,1 , - -- --json
error decision clt bernstein chebyshev ridge none mean loss cross_entropy squared_error
digits lfw photo:cat photo: mnist: mnist:/ / . .. ./nothing
a.yaml b.yaml a.npz a.zarr a.pt2 x.html x.csv
"""
_WORDS = st.one_of(
    st.sampled_from(_KNOWN.split()),
    st.text("abcXYZ019-_=:/,.%$é\x1b\n '\"\\<>", max_size=8),
)


@fuzzer
def commands(draw, root):
    (root / "a.yaml").write_text("- RandomHorizontalFlip\n- RandomTranslation: {x: [-1, 1]}\n")
    (root / "b.yaml").write_bytes(draw(damaged(files.POLICY.encode())))
    (root / "a.npz").write_bytes(files.npz(images=files.PIXELS, labels=files.LABELS))
    name = draw(st.sampled_from(sorted(_OPTIONS)))
    known = _OPTIONS[name].split()
    given = {
        "images": str(root / "a.npz"),
        "policy": str(root / "a.yaml"),
        "a": str(root / "a.yaml"),
        "b": str(root / "a.yaml"),
        "model": "ridge",
        "out": str(root / "x"),
        "limit": "2",
    }
    arguments = [name]
    if name == "reproduce":
        arguments.append("no-such-experiment")
    for option in known:
        if option in given and draw(st.integers(0, 9)):
            arguments += [f"--{option}", given[option]]
    for option in draw(st.lists(st.sampled_from([*known, "nothing"]), max_size=3)):
        arguments.append(f"--{option}")
        if draw(st.integers(0, 9)):
            word = draw(_WORDS)
            arguments.append(str(root / word) if word.startswith(("a.", "b.", "x.")) else word)
    if name == "explore":
        arguments.append("--no-open")
    return "run_command", {"arguments": arguments, "seconds": 120}

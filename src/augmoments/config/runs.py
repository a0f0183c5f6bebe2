"""The configuration of a whole run, as the command line and ``--config`` give it."""

from __future__ import annotations

from os.path import exists
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augmoments.checks import did_you_mean
from augmoments.config.document import Document, read_document
from augmoments.config.policies import policy_in

Fraction = Annotated[float, Field(gt=0, lt=1)]
Pixels = Annotated[int, Field(gt=0, le=65536, strict=True)]


class QuantifyConfig(BaseModel):
    """What ``augmoments quantify`` is asked for; each field is an option of the command."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: str | None = None
    """A source of images; the embedded data without one."""
    policy: str | list[Any] | None = None
    """A file, or the steps themselves; a default policy without one."""
    model: str | None = None
    """A model's file, ``ridge`` or ``none``."""
    loss: Literal["cross_entropy", "squared_error"] | None = None
    out: str = "augmoments-report"
    size: Pixels | tuple[Pixels, Pixels] | None = None
    """Side of the central square in pixels, or (height, width)."""
    limit: Annotated[int, Field(gt=0)] = 64
    """Most images that are quantified."""
    tol: Fraction = 1e-2
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    rel_error: Fraction = 0.01
    confidence: Fraction = 0.95
    max_nodes: Annotated[int, Field(ge=16)] = 4096
    split: Literal["train", "test"] = "train"
    key: str | None = None
    label_key: str | None = None
    strict: bool = False
    json_: Annotated[bool, Field(alias="json")] = False
    quiet: bool = False


KEYS = tuple(field.alias or name for name, field in QuantifyConfig.model_fields.items())


def load_quantify_config(path: str | Path) -> QuantifyConfig:
    """The configuration in a YAML or JSON file; paths in it are relative to the file.

    Raises:
        ConfigError: An unknown key, with the nearest known one, or an impossible value.
    """
    document = read_document(path)
    return quantify_config_from(document.data, document, Path(path).parent)


def quantify_config_from(
    data: Any, document: Document | None = None, base: Path | None = None
) -> QuantifyConfig:
    """The configuration in values as YAML and JSON give them.

    >>> quantify_config_from({"images": "digits", "tol": 0.01}).images
    'digits'
    """
    document = document or Document(data)
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise document.error(f"a configuration is a mapping with keys such as {', '.join(KEYS)}.")
    for key in data:
        if key not in KEYS:
            raise document.error(
                f"unknown key {key!r}{did_you_mean(str(key), KEYS)}: known are {', '.join(KEYS)}.",
                (key,),
            )
    try:
        config = QuantifyConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"][0].lower() + first["msg"][1:]
        place = tuple(part for part in first["loc"][:1] if isinstance(part, str | int))
        raise document.error(f"{message}, got {first['input']!r}.", place) from error
    if isinstance(config.policy, list):
        policy_in(document, ("policy",))
    return config if base is None else _relative_to(base, config)


def _relative_to(base: Path, config: QuantifyConfig) -> QuantifyConfig:
    """Files that lie beside the configuration, found from anywhere."""
    changes: dict[str, Any] = {}
    for name in ("images", "policy", "model"):
        value = getattr(config, name)
        if isinstance(value, str) and exists(base / value):
            changes[name] = str(base / value)
        elif name == "images" and isinstance(value, str) and value.startswith("mnist:"):
            folder = base / value.removeprefix("mnist:")
            changes[name] = f"mnist:{folder}" if exists(folder) else value
    return config.model_copy(update=changes)

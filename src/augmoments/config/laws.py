"""Laws as values: a number, a range, or the name of a law with its arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from augmoments.checks import did_you_mean
from augmoments.config.document import Document, Place
from augmoments.errors import AugmomentsError, PolicyError
from augmoments.laws import (
    Beta,
    Discrete,
    Law,
    LogUniform,
    Normal,
    Triangular,
    TruncatedNormal,
    Uniform,
)

LAWS: dict[str, type[Law]] = {
    law.__name__: law
    for law in (Uniform, Normal, TruncatedNormal, Triangular, LogUniform, Beta, Discrete)
}


def fields_of(kind: type) -> list[str]:
    """The names of a dataclass's arguments, in their order."""
    return [field.name for field in dataclasses.fields(kind) if field.init]


def looks_like_law(value: Any) -> bool:
    """Whether a value is meant as a law by name."""
    return isinstance(value, Mapping)


def law_from(document: Document, value: Mapping[Any, Any], at: Place) -> Law:
    """The law in ``{Uniform: [-2, 2]}`` or ``{Normal: {loc: 0, std: 1}}``."""
    known = ", ".join(LAWS)
    if len(value) != 1:
        raise document.error(f"a law is one name with its arguments; known are {known}.", at)
    (name, arguments), *_ = value.items()
    if name not in LAWS:
        raise document.error(
            f"there is no law {name!r}{did_you_mean(str(name), LAWS)}: known are {known}.", at
        )
    kind, place = LAWS[name], (*at, name)
    given = _arguments(document, kind, arguments, place)
    for key, value in given.items():
        if not _numeric(value):
            raise document.error(f"{key} must be given in numbers, got {value!r}.", place)
    try:
        return kind(**given)
    except AugmomentsError as error:
        raise document.error(str(error), place) from error
    except (TypeError, ValueError, ArithmeticError) as error:
        wanted = ", ".join(fields_of(kind))
        raise document.error(f"{name} takes {wanted}: {error}.", place) from error


def _numeric(value: Any) -> bool:
    if isinstance(value, list):
        return all(_numeric(item) for item in value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _arguments(document: Document, kind: type[Law], arguments: Any, at: Place) -> dict[str, Any]:
    names = fields_of(kind)
    if isinstance(arguments, Mapping):
        for key in arguments:
            if key not in names:
                raise document.error(
                    f"{kind.__name__} has no argument {key!r}{did_you_mean(str(key), names)}: it "
                    f"takes {', '.join(names)}.",
                    (*at, key),
                )
        return dict(arguments)
    if not isinstance(arguments, list):
        raise document.error(
            f"{kind.__name__} needs its arguments, as a list or by name: {', '.join(names)}.", at
        )
    if kind is Discrete and not any(isinstance(item, list) for item in arguments):
        return {"values": arguments}
    if len(arguments) > len(names):
        raise document.error(
            f"{kind.__name__} takes {len(names)} arguments ({', '.join(names)}), got "
            f"{len(arguments)}.",
            at,
        )
    return dict(zip(names, arguments, strict=False))


def law_to_dict(law: Law) -> dict[str, dict[str, Any]]:
    """The reverse of :func:`law_from`.

    Raises:
        PolicyError: A law that a file cannot name.

    >>> law_to_dict(Uniform(-2, 2))
    {'Uniform': {'low': -2, 'high': 2}}
    """
    if LAWS.get(type(law).__name__) is not type(law):
        raise PolicyError(f"{law} is not a law that a file can name: known are {', '.join(LAWS)}.")
    pairs = {
        field.name: getattr(law, field.name)
        for field in dataclasses.fields(law)  # type: ignore[arg-type]
        if field.init and getattr(law, field.name) is not None
    }
    return {type(law).__name__: {name: plain(value) for name, value in pairs.items()}}


def plain(value: Any) -> Any:
    """Numbers, strings and nested sequences as JSON has them."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, int | float):
        return value
    return getattr(value, "value", str(value))

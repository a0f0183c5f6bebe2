"""What ``results.json`` must look like, from the classes that it is made of."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from augmoments.reporting.results import SCHEMA, Results


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``results.json``.

    >>> json_schema()["properties"]["schema"]["const"]
    'augmoments.results/1'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model(Results).model_json_schema(),
    }


@cache
def model(cls: type) -> type[BaseModel]:
    """A strict model of the JSON of a dataclass, with the docstrings of its fields.

    A number that is not finite is null there, and fields that are only drawn are missing.

    >>> from pydantic import ValidationError
    >>> try:
    ...     model(Results).model_validate_json("{}")
    ... except ValidationError as error:
    ...     print(error.error_count() > 5)
    True
    """
    hints, documents = get_type_hints(cls), _documents(cls)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if not field.metadata.get("drawn"):
            kind = Literal[SCHEMA] if field.name == "schema" else _in_json(hints[field.name])
            alias = "schema" if field.name == "schema" else None
            name = "schema_" if alias else field.name
            fields[name] = (kind, Field(description=documents[field.name], alias=alias))
    config = ConfigDict(extra="forbid", strict=True)
    return create_model(cls.__name__, __config__=config, __doc__=inspect.getdoc(cls), **fields)


def _in_json(kind: Any) -> Any:
    """The type that values of a type have in JSON."""
    if dataclasses.is_dataclass(kind):
        return model(kind)  # type: ignore[arg-type]
    if kind is float:
        return float | None
    origin, inner = get_origin(kind), tuple(_in_json(part) for part in get_args(kind))
    if origin in (Union, UnionType):
        return Union[inner]  # noqa: UP007
    return origin[inner] if origin else kind


def _documents(cls: type) -> dict[str, str]:
    """The docstrings that follow the fields of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for one, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr):
            name, text = ast.unparse(one.target), ast.literal_eval(after.value)
            found[name] = " ".join(text.split())
    return found

"""YAML and JSON files as plain values that still know on which line each of them stands."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from augmoments.errors import ConfigError

Key = str | int
Place = tuple[Key, ...]
"""The way to a value: keys of mappings and indices of lists, from the top."""

_LARGEST = 2**18
_MOST_VALUES = 2**16
_DEEPEST = 64


@dataclass(frozen=True)
class Document:
    """What a file says, and where it says it.

    Attributes:
        data: Mappings, lists, strings, numbers, booleans and None.
        source: What messages call it.
        tree: The same with marks, where the values came from a text.
    """

    data: Any
    source: str = ""
    tree: yaml.Node | None = None

    def error(self, message: str, at: Place = ()) -> ConfigError:
        """An error that says where: the file, the line and the way to the value."""
        line = self._line(at)
        parts = [self.source, f"line {line}" if line else "", spell(at)]
        where = ", ".join(part for part in parts if part)
        return ConfigError(f"{where}: {message}" if where else message)

    def _line(self, at: Place) -> int | None:
        node = self.tree
        if node is None:
            return None
        line = node.start_mark.line
        for key in at:
            if isinstance(node, yaml.MappingNode):
                found = next((pair for pair in node.value if pair[0].value == str(key)), None)
                if found is None:
                    break
                line, node = found[0].start_mark.line, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
                node = node.value[key]
                line = node.start_mark.line
            else:
                break
        return line + 1


def spell(at: Place) -> str:
    """A place as people write it.

    >>> spell(("policy", 1, "RandomTranslation", "x"))
    'policy[1].RandomTranslation.x'
    """
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in at)
    return text.removeprefix(".")


def read_document(path: str | Path) -> Document:
    """The values in a YAML or JSON file (JSON is YAML).

    Raises:
        ConfigError: No such file, not text, not YAML, or a key that is there twice.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigError(f"{path} has more than {_LARGEST:,} bytes: is it a configuration?")
        text = content.decode()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8: is it a configuration?") from error
    return parse_document(text, str(path))


def parse_document(text: str, source: str = "") -> Document:
    """The values in a YAML or JSON text."""
    loader = None
    try:
        loader = _Loader(text)
        tree = loader.get_single_node()
        _check_extent(tree)
        data = None if tree is None else loader.construct_document(tree)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{source or 'the text'}{line}: {error.problem or error}.") from error
    except (yaml.YAMLError, RecursionError, ValueError, ArithmeticError, LookupError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"{source or 'the text'} is not valid YAML: {reason}.") from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(data, source, tree)


def _check_extent(tree: yaml.Node | None) -> None:
    """Refuse what grows out of bounds where each alias stands for all that it names.

    Raises:
        ValueError: It contains itself, is nested too deeply, or has too many values.
    """
    known: dict[int, tuple[int, int]] = {}  # values and levels, by the identity of a node

    def extent(node: yaml.Node) -> tuple[int, int]:
        if id(node) in known:
            return known[id(node)]
        known[id(node)] = 0, _DEEPEST + 1  # until it is known, that of something without end
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        found = [
            extent(part) for item in inner for part in (item if type(item) is tuple else (item,))
        ]
        values = 1 + sum(values for values, _ in found)
        levels = 1 + max((levels for _, levels in found), default=0)
        if levels > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep, or contains itself")
        if values > _MOST_VALUES:
            raise ValueError(f"it has more than {_MOST_VALUES:,} values, aliases written out")
        known[id(node)] = values, levels
        return known[id(node)]

    if tree is not None:
        extent(tree)


class _Loader(yaml.SafeLoader):
    """Safe loading, with ``1e-3`` a number (as in YAML 1.2) and no key twice in a mapping."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)\Z"),
    list("-+0123456789."),
)

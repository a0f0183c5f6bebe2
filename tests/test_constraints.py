"""What is imported is required; what is required is pinned, in range, and licensed permissively."""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_USERS = EXTRAS.keys() - {"dev", "docs", "audit"}
RUNTIME = [*PROJECT["dependencies"], *(line for name in FOR_USERS for line in EXTRAS[name])]
EVERYTHING = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]
BUILD_OF_TORCH = re.compile("nvidia-|cuda-|triton")
PERMISSIVE = re.compile(r"Apache|BSD|MIT|ISC|PSF|Python Software Foundation|MPL|Public Domain")
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
PINS = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in LINES)}


def closure(requirements):
    """Names of the requirements, and of theirs in turn, for this Python and platform.

    What is not installed is named without its own requirements, and what comes with a build of
    torch for one kind of device is left out.
    """
    pending = [(Requirement(line), {""}) for line in requirements]
    seen = set()
    while pending:
        requirement, extras = pending.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        wanted = (name, frozenset(requirement.extras))
        if wanted in seen or BUILD_OF_TORCH.match(name):
            continue
        seen.add(wanted)
        try:
            inner = requires(name) or ()
        except PackageNotFoundError:
            continue
        pending += [(Requirement(line), {"", *requirement.extras}) for line in inner]
    return {name for name, _ in seen}


def licence(name):
    about = metadata(name)
    kinds = [c for c in about.get_all("Classifier") or () if c.startswith("License :: OSI")]
    return about.get("License-Expression") or "; ".join(kinds) or about.get("License") or ""


def missing(names):
    for name in names:
        try:
            metadata(name)
        except PackageNotFoundError:
            yield name


def imported():
    """Packages outside the standard library that the sources name."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def test_what_is_imported_is_required():
    """Not only by a requirement of ours, which may drop it."""
    owners = packages_distributions()
    foreign = set(imported()) - sys.stdlib_module_names - {"augmoments"}
    names = {canonicalize_name(owners.get(name, [name])[0]) for name in foreign}
    direct = [Requirement(line) for line in RUNTIME]
    assert names <= {canonicalize_name(n) for r in direct for n in (r.name, *r.extras)}


def test_pins_are_sorted_and_exact():
    assert sorted(LINES, key=str.lower) == LINES
    assert len(PINS) == len(LINES)
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in LINES)


def test_everything_that_is_required_is_pinned():
    """All but pip, which comes with the environment."""
    assert closure(EVERYTHING) - {"pip"} <= set(PINS)


def test_nothing_else_is_pinned():
    names = closure(EVERYTHING)
    if absent := sorted(missing(names)):
        pytest.skip(f"what these require is not known: {', '.join(absent)}")
    assert set(PINS) <= names


@pytest.mark.parametrize("line", EVERYTHING)
def test_the_pin_is_in_the_range_of_the_package(line):
    requirement = Requirement(line)
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_what_a_user_installs_is_licensed_permissively():
    """By what its own metadata say; bundled libraries may have further licences."""
    names = closure(RUNTIME)
    found = {name: licence(name) for name in sorted(names - set(missing(names)))}
    assert len(found) > 20
    assert {k: v for k, v in found.items() if "GPL" in v or not PERMISSIVE.search(v)} == {}

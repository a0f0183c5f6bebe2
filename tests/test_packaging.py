"""What is shipped: the wheel and the source distribution, and what an empty environment does."""

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("torchvision", "kornia", "albumentations", "dask", "distributed", "zarr")
WITHOUT_EXTRAS = f"""\
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
IMPORT_ALL = """\
import pkgutil
import augmoments
for module in pkgutil.walk_packages(augmoments.__path__, "augmoments."):
    if module.name != "augmoments.cluster.dask":
        __import__(module.name)
for name in augmoments.__all__:
    getattr(augmoments, name)
"""
HINTS = """\
import pathlib
import augmoments as am
from augmoments.cluster import accumulate
pathlib.Path("images.zarr").mkdir()
pathlib.Path("images.zarr/zarr.json").write_text("{}")
digits = am.data.one_hot(am.data.stream("digits"))
for call in (
    lambda: am.data.load("images.zarr"),
    lambda: accumulate(digits, am.RandomHorizontalFlip(), workers=1),
):
    try:
        call()
    except am.errors.AugmomentsError as error:
        print(error)
"""


def tried(*command, **options):
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, **options)


def done(*command, **options):
    run = tried(*command, **options)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution, and the wheel that is made from it alone."""
    pytest.importorskip("hatchling", reason="make setup installs what builds the package")
    folder = tmp_path_factory.mktemp("dist")
    done(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return wheel.read(name).decode()


def files(*folders):
    """What lies there and is neither compiled nor built."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    names = {path.relative_to(ROOT).as_posix() for path in found}
    generated = ("__pycache__", "docs/_build/", "docs/gallery/", "docs/sg_", "benchmarks/out/")
    return {name for name in names if not any(part in name for part in generated)}


def test_the_wheel_has_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == {name.removeprefix("src/") for name in files("src/augmoments")}
    assert {name.partition("/")[2] for name in about} == {
        *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    kinds = {Path(name).suffix for name in names - about}
    assert kinds == {".py", ".typed", ".jinja", ".css", ".js"}


def test_the_source_distribution_has_what_its_tests_need(built):
    with tarfile.open(built[0]) as source:
        names = {member.name.partition("/")[2] for member in source.getmembers()}
    top = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "CITATION.cff"}
    top |= {"Makefile", "constraints.txt", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names == top | files("src", "tests", "benchmarks", "docs")


def test_metadata_are_valid(metadata):
    """Against the rules of the registries and their list of classifiers."""
    parsed = pytest.importorskip("packaging.metadata").Metadata.from_email(metadata, validate=True)
    assert parsed.license_expression == "Apache-2.0"
    assert str(parsed.requires_python) == ">=3.11"
    assert parsed.description_content_type == "text/markdown"
    assert parsed.description == (ROOT / "README.md").read_text()
    known = pytest.importorskip("trove_classifiers").classifiers
    assert set(parsed.classifiers) <= known
    assert set(parsed.provides_extra) == set(PROJECT["optional-dependencies"])


def test_libraries_of_augmentations_are_extras(metadata):
    required = message_from_string(metadata).get_all("Requires-Dist")
    core = {re.split(r"[^\w-]", line)[0] for line in required if "extra ==" not in line}
    assert core == {re.split(r"[^\w-]", line)[0].lower() for line in PROJECT["dependencies"]}
    assert not core & set(EXTRAS)


def test_without_the_extras(tmp_path):
    """Every module but one is imported, and what needs an extra says which."""
    program = WITHOUT_EXTRAS + IMPORT_ALL + HINTS
    said = done(sys.executable, "-W", "error", "-c", program, cwd=tmp_path)
    assert re.findall(r"pip install '(\S+)'", said) == ["augmoments[zarr]", "augmoments[cluster]"]
    assert len(said.splitlines()) == 2


@pytest.fixture
def empty(built, tmp_path_factory):
    """A new environment with the wheel and what it requires, at the versions of constraints.txt."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    pip = (python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt")
    flags = shlex.split(os.environ.get("TORCH_FLAGS", ""))
    if tried(*pip, *flags, "torch").returncode:
        pytest.skip("no registry to install torch from")
    done(*pip, built[1])
    return python


@pytest.fixture
def inside(empty, tmp_path):
    """Run there, in a folder of its own, with nothing of this checkout in sight."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PATH"] = f"{empty.parent}{os.pathsep}{environment['PATH']}"
    return lambda *command: done(*command, cwd=tmp_path, env=environment)


def programs(path):
    return re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_empty_environment(empty, inside, tmp_path):
    """One test, as it takes minutes to make the environment."""
    # Nothing is missing, and nothing is there that is not pinned.
    assert "No broken requirements" in inside(empty, "-m", "pip", "check")
    installed = json.loads(inside(empty, "-m", "pip", "list", "--format", "json"))
    found = {f"{one['name']}=={one['version'].partition('+')[0]}" for one in installed}
    pins = (ROOT / "constraints.txt").read_text().split("\n")
    assert {line.partition("==")[0] for line in found.difference(pins)} == {"augmoments", "pip"}
    assert inside(empty, "-W", "error", "-c", IMPORT_ALL + HINTS).count("pip install") == 2
    # What the documents show.
    first, *others = programs("README.md")
    assert all("torchvision" in block for block in others)
    assert inside(empty, "-W", "error", "-c", first).splitlines()[-1] == "7467"
    (tmp_path / "mine.py").write_text("".join(programs("docs/extending.md")))
    inside(empty, "-W", "error", "mine.py")
    # The command.
    assert inside("augmoments", "--version").strip() == PROJECT["version"]
    about = json.loads(inside("augmoments", "doctor", "--json"))
    assert about["known_answer_met"]
    assert about["optional"] == {}
    assert "digits: 8 of 1,797" in inside("augmoments", "quantify", "--limit", "8")
    (report,) = tmp_path.rglob("report.html")
    assert report.stat().st_size > 100_000
    inside("augmoments", "explore", "--no-open", "--quiet")
    assert (tmp_path / "explore.html").stat().st_size > 50_000

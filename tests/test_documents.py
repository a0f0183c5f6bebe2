"""The programs in README and docs run as they stand, and give the numbers that they quote."""

import re
import runpy
from pathlib import Path

import pytest

import augmoments as am
from augmoments.adapters.albumentations import tables
from augmoments.adapters.kornia import (
    channels,
    color,
    containers,
    crops,
    erasing,
    geometry,
    intensity,
    policies,
)
from augmoments.adapters.torchvision import STEPS
from augmoments.adapters.torchvision.containers import CONTAINERS
from augmoments.adapters.torchvision.refusals import REFUSALS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    "README.md",
    "docs/start.md",
    "docs/command-line.md",
    "docs/explore.md",
    "docs/augmentations.md",
    "docs/libraries.md",
    "docs/libraries/torchvision.md",
    "docs/libraries/kornia.md",
    "docs/libraries/albumentations.md",
    "docs/extending.md",
    "docs/linear.md",
    "docs/strength.md",
    "docs/training.md",
    "docs/samples.md",
    "docs/tta.md",
    "docs/sensitivity.md",
]
KORNIA = (channels, color, containers, crops, erasing, geometry, intensity, policies)
CLASSES = {
    "torchvision": {*STEPS, *CONTAINERS},
    "kornia": {name for module in KORNIA for name in module.CONVERTERS},
    "albumentations": {*tables.LEAVES, *tables.COMPOSITIONS},
    "refused": set(REFUSALS),
}

SHOWN = ["docs/tutorial.md", "docs/choosing.md", "docs/theory.md", "docs/limits.md"]
EXAMPLES = sorted((ROOT / "docs/examples").glob("plot_*.py"))
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


def programs(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_programs_run(name, capsys, monkeypatch):
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    blocks = programs(ROOT / name)
    assert blocks
    scope = {"__name__": name}
    for block in blocks:
        exec(compile(block, name, "exec"), scope)
        printed = capsys.readouterr().out
        quoted = re.search(r"# (\d+) draws an image", block)
        assert quoted is None or printed.split()[-1] == quoted[1]


def values(text):
    """Numbers of a text; those written with an exponent are error bounds."""
    found = [number.replace(",", "") for number in NUMBER.findall(text)]
    return [pytest.approx(float(n), rel=0.5 if "e" in n else 0.02, abs=1e-6) for n in found]


@pytest.mark.parametrize("name", SHOWN)
def test_programs_print_what_is_shown(name, monkeypatch):
    """To 2%, and error bounds to half of them: threads and processors round differently."""
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    outputs = runpy.run_path(str(ROOT / "docs/outputs.py"))["outputs"]
    pairs = list(outputs((ROOT / name).read_text()))
    assert pairs
    for shown, printed in pairs:
        assert NUMBER.sub("#", shown).split() == NUMBER.sub("#", printed).split()
        found = [float(number.replace(",", "")) for number in NUMBER.findall(printed)]
        assert found == values(shown)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_draw_a_figure(path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("agg")
    runpy.run_path(str(path))
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    assert len(figures) == 1
    axes = figures[0].axes
    assert any(a.get_title() or a.get_xlabel() for a in axes)
    assert all(a.has_data() for a in axes)


@pytest.mark.parametrize("library", CLASSES)
def test_classes_that_are_understood_are_listed(library):
    page = (ROOT / "docs/augmentations.md").read_text()
    section = page.split(f"<!-- classes: {library} -->")[1].split("<!-- end -->")[0]
    listed = [name for name in re.findall(r"`([\w.]+)`", section) if not name.startswith("nn.")]
    assert len(listed) == len(set(listed))
    assert set(listed) == CLASSES[library]


def test_every_augmentation_is_listed():
    page = (ROOT / "docs/augmentations.md").read_text()
    table = page.split("## Pipelines")[0]
    found = [getattr(am, name) for name in am.__all__ if name != "Augmentation"]
    names = {f.__name__ for f in found if isinstance(f, type) and issubclass(f, am.Augmentation)}
    assert names <= set(re.findall(r"`(\w+)`", table))


@pytest.mark.parametrize("library", ["torchvision", "kornia", "albumentations"])
def test_tables_of_a_library_say_what_becomes_of_its_transforms(library):
    """Each transform is taken by the route, or refused for the reason, that its page has."""
    pytest.importorskip(library)
    page = (ROOT / f"docs/libraries/{library}.md").read_text()
    for name, table in runpy.run_path(str(ROOT / "docs/transforms.py"))["tables"](library).items():
        assert page.split(f"<!-- {name} -->")[1].split(f"<!-- end: {name} -->")[0].strip() == table


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("T.RandomErasing()", "exact"),
        ("K.RandomTranslate((-0.1, 0.1), (-0.1, 0.1))", "exact"),
        ("K.RandomGaussianBlur((5, 5), (0.1, 2.0))", "nodes"),
        ("A.RandomBrightnessContrast()", "Sobol points"),
    ],
)
def test_words_of_the_tables_are_those_of_moments(script, code, word):
    names = runpy.run_path(str(ROOT / "docs/transforms.py"))
    row = names["row"](code, script["pipeline"](code))
    m = am.moments(script["photos"](24)[:1], script["pipeline"](code), max_nodes=128)
    assert names["WORDS"][m.method] == word == row.split("|")[4].strip()


@pytest.fixture(scope="module")
def script():
    for library in ("torchvision", "kornia", "albumentations"):
        pytest.importorskip(library)
    return runpy.run_path(str(ROOT / "docs/libraries.py"))


def test_tables_of_libraries_are_of_the_code_that_is_run(script):
    page = (ROOT / "docs/libraries.md").read_text()
    for title, settings in script["SETTINGS"].items():
        section = page.split(f"<!-- tables: {title} -->")[1].split(f"<!-- end: {title} -->")[0]
        blocks = re.findall(r"\*\*(.*?)\*\*\n\n```\n(.*?)\n```", section, re.DOTALL)
        expected = [
            (s.name, "\n".join(script["_wrapped"](code) for code in s.code.values()))
            for s in settings
        ]
        assert blocks == expected


def test_every_setting_is_understood(script):
    for settings in script["SETTINGS"].values():
        for setting in settings:
            shape = (3, setting.side, setting.side)
            for code in setting.code.values():
                assert am.as_policy(script["pipeline"](code)).output_shape(shape) == (3, 24, 24)


def test_a_table_of_libraries_is_measured(script):
    lines = script["table"](script["SETTINGS"]["As they are written"][0]).splitlines()
    assert [line.count("|") for line in lines[-3:]] == [8, 8, 8]
    assert lines[-3].startswith("| kornia | torchvision | 0 ± ")


@pytest.mark.parametrize("name", ["rotation, bilinear", "shift"])
def test_tables_of_libraries_have_the_exact_means(script, name):
    page = (ROOT / "docs/libraries.md").read_text()
    table = page.split("<!-- tables: With the same probability -->")[1].split(f"**{name}**")[1]
    rows = [line.split("|")[1:4] for line in table.splitlines() if "±" in line][:3]
    settings = script["SETTINGS"]["With the same probability"]
    (setting,) = (s for s in settings if s.name == name)
    images = script["photos"](setting.side)
    means = {
        library: am.expected_operator(am.as_policy(script["pipeline"](code)), images.shape[1:])
        @ images
        for library, code in setting.code.items()
    }
    for a, b, quoted in rows:
        first, second = (means[library.strip()].flatten(1) for library in (a, b))
        found = ((first - second).norm(dim=1) / second.norm(dim=1)).median()
        assert float(quoted.split("±")[0]) == pytest.approx(float(found), rel=5e-3, abs=1e-12)

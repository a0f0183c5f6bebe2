"""What the commands say of themselves, and that a default is told as it is."""

import dataclasses
import inspect

import pytest
from typer.testing import CliRunner

from augmoments.cli import app
from augmoments.cli.commands.fit import fit
from augmoments.cli.commands.need import need
from augmoments.cli.commands.quantify import quantify
from augmoments.cli.commands.tta import tta
from augmoments.cli.failures import Exit
from augmoments.cli.fit import FitOptions
from augmoments.cli.need_options import NeedOptions
from augmoments.cli.tta import TtaOptions
from augmoments.config import QuantifyConfig
from augmoments.reproduce import NAMES

COMMANDS = ("quantify", "explain", "compare", "need", "tta", "fit", "reproduce", "doctor")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "flip.yaml").write_text("RandomHorizontalFlip")


def shown(*arguments):
    done = CliRunner().invoke(app, [*arguments, "--help"])
    assert done.exit_code == 0, done.output
    return done.stdout


def defaults(command):
    parameters = inspect.signature(command).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def test_commands_in_order():
    text = shown()
    places = [text.index(f"│ {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_names_of_options_are_whole_on_a_narrow_terminal(command):
    text = shown(command)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "options"), [(need, NeedOptions), (tta, TtaOptions), (fit, FitOptions)]
)
def test_defaults_are_those_of_the_options(command, options):
    fields = dataclasses.fields(options)
    expected = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    assert defaults(command) == expected


def test_defaults_are_those_of_the_configuration():
    fields = QuantifyConfig.model_fields
    expected = {field.alias or name: field.default for name, field in fields.items()}
    assert defaults(quantify) == {**expected, "config": None}


def test_a_default_on_the_command_line_wins_too():
    """An option that is given wins over the file, also where it has the value of no option."""
    with open("run.yaml", "w") as file:
        file.write("{images: digits, limit: 5, policy: flip.yaml, model: none, quiet: true}")
    runner = CliRunner()
    given = ["quantify", "--config", "run.yaml", "-o", "out"]
    assert "5 of 1,797" in runner.invoke(app, given).stdout
    assert "64 of 1,797" in runner.invoke(app, [*given, "--limit", "64"]).stdout


def test_defaults_in_words_are_told():
    assert "embedded digits and a" in shown("quantify")
    assert "[default: (all)]" in shown("need")


def test_experiments_are_listed():
    text = shown("reproduce").replace("\n", " ")
    for name in NAMES:
        assert name in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "--a", "flip.yaml", "--b", "flip.yaml"),
        ("explain", "-p", "flip.yaml", "--shape", "1,4,4"),
    ],
)
def test_a_seed_is_not_negative(arguments):
    done = CliRunner().invoke(app, [*arguments, "--seed", "-1"])
    assert done.exit_code == Exit.BAD_USAGE
    assert "'--seed'" in done.stderr

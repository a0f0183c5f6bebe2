"""The page on the paper's claims is made from what the experiments left, and from nothing else."""

import importlib.util
import json
from pathlib import Path

import pytest

from augmoments.reproduce import NAMES, experiment

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def worth():
    spec = importlib.util.spec_from_file_location("worth", DOCS / "worth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_program_makes_of_the_outputs(worth):
    assert (DOCS / "worth.md").read_text(encoding="utf-8") == worth.page()


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_of_a_full_run_on_all_datasets(worth, name):
    record = json.loads((worth.KEPT / f"{name}.json").read_text(encoding="utf-8"))
    assert not record["quick"]
    assert [one["name"] for one in record["sources"]] == ["mnist", "fashion-mnist", "cifar10"]
    assert record["claim"] == experiment(name).claim
    assert record["title"] == experiment(name).title
    assert (worth.KEPT / f"{name}.png").stat().st_size > 10_000

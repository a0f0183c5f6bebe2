"""Damaged files and arguments of every kind end in a value or a typed error, never otherwise.

The quick tests try a few of each; with ``make test-all`` each fuzzer runs for half a minute, and
with ``make fuzz SECONDS=3600`` they share an hour.
"""

import itertools
import shutil
import time
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from fuzz.fuzzers import FUZZERS


def run(name, sandbox, folder, examples, first=0):
    """Try a fuzzer on examples that depend on the seed alone."""

    @hypothesis.seed(first)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.data())
    def once(data):
        root = Path(folder, "given")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        reader, arguments = FUZZERS[name](data.draw, root)
        sandbox(reader, **arguments)

    once()


@pytest.mark.parametrize("name", [name for name in FUZZERS if name not in ("models", "commands")])
def test_a_few(name, sandbox, tmp_path):
    run(name, sandbox, tmp_path, 15)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", FUZZERS)
def test_many(name, sandbox, tmp_path, seconds):
    end = time.monotonic() + seconds
    for round_ in itertools.count(1):
        run(name, sandbox, tmp_path, 50, round_)
        if time.monotonic() > end:
            break

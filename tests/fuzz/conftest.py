import os

import pytest

from fuzz.fuzzers import FUZZERS
from fuzz.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    found = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def seconds():
    """How long each fuzzer runs; ``make fuzz SECONDS=3600`` shares an hour among them."""
    together = os.environ.get("AUGMOMENTS_FUZZ_SECONDS")
    return 30 if together is None else float(together) / len(FUZZERS)

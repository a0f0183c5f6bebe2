"""Files that are made to harm are refused in time, in bounded memory, and run nothing."""

import numpy as np
import pytest

from fuzz import files
from fuzz.attacks import ATTACKS

SLOW = (
    "idx_of_one_image_of_gigabytes",
    "idx_that_claims_and_inflates_to_gigabytes",
    "idx_that_inflates_without_end_in_pieces",
    "model_with_a_bomb_beside_it",
    "model_with_pickled_inputs_that_inflate",
    "npz_that_inflates_to_gigabytes",
    "png_just_below_the_limit",
    "zarr_with_a_chunk_that_inflates",
)
"""Those that take seconds to be written."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in ATTACKS]
)
def test_attack(name, tmp_path, sandbox):
    reader, ends, write = ATTACKS[name]
    root, mark = tmp_path / "given", tmp_path / "mark"
    root.mkdir()
    answer = sandbox(reader, **write(root, mark))
    assert not mark.exists(), f"{name} ran a program"
    assert answer["end"] in ends, answer


@pytest.mark.parametrize("command", ["quantify", "explore"])
def test_names_are_escaped_in_pages(command, tmp_path, sandbox):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    classes = np.array([f"{evil}{label}" for label in range(3)])
    given = tmp_path / "<img src=x onerror=alert(1)>.npz"
    given.write_bytes(files.npz(images=files.PIXELS, labels=files.LABELS, classes=classes))
    out = tmp_path / ("page.html" if command == "explore" else "out")
    arguments = [command, "--images", str(given), "--out", str(out), "--quiet"]
    if command == "quantify":
        (tmp_path / "flip.yaml").write_text("- RandomHorizontalFlip\n")
        arguments += ["--policy", str(tmp_path / "flip.yaml")]
    answer = sandbox("run_command", seconds=120, arguments=arguments)
    assert answer["said"] == "exit code 0"
    page = (out if command == "explore" else out / "report.html").read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page

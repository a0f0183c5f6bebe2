"""The programs in README and docs run as they stand, and give the numbers that they quote."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = ["README.md", "docs/start.md", "docs/command-line.md", "docs/extending.md"]


def programs(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_programs_run(name, capsys):
    blocks = programs(ROOT / name)
    assert blocks
    scope = {"__name__": name}
    for block in blocks:
        exec(compile(block, name, "exec"), scope)
    if name == "README.md":
        quoted = re.search(r"# (\d+) draws an image", blocks[0])
        assert capsys.readouterr().out.split()[-1] == quoted[1]

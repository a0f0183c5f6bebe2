"""Run the programs of a page and put what they print below them.

python docs/outputs.py docs/tutorial.md

A block of output is a ``text`` block that follows a ``python`` block directly. The programs of a
page share their names.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAM = re.compile(
    r"```python\n(?P<code>.*?)```(?P<shown>\n\n```text\n(?P<output>.*?)```)?", re.S
)


def printed(code: str, scope: dict[str, object]) -> str:
    """What a program prints, without spaces at the ends of lines."""
    found = io.StringIO()
    with contextlib.redirect_stdout(found):
        exec(compile(code, "program", "exec"), scope)
    return "".join(line.rstrip() + "\n" for line in found.getvalue().splitlines())


def outputs(page: str) -> Iterator[tuple[str, str]]:
    """What is shown below each program that has an output, and what it prints."""
    scope: dict[str, object] = {"__name__": "page"}
    for program in PROGRAM.finditer(page):
        found = printed(program["code"], scope)
        if program["shown"]:
            yield program["output"], found


def filled(page: str) -> str:
    """The page with what its programs print now."""
    found = iter([after for _, after in outputs(page)])

    def shown(program: re.Match[str]) -> str:
        if not program["shown"]:
            return program[0]
        return f"```python\n{program['code']}```\n\n```text\n{next(found)}```"

    return PROGRAM.sub(shown, page)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    importlib.import_module("conftest")  # lets torchvision be imported beside a CPU build of torch
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(filled(path.read_text()))

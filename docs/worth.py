"""Make the page "A data augmentation is worth how many samples?" from what the experiments left.

augmoments reproduce all --data DIR --out OUT
python docs/worth.py OUT
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from augmoments.cli.reproduce import first_sentence
from augmoments.reproduce import NAMES

DOCS = Path(__file__).parent
KEPT = DOCS / "_static" / "worth"
"""Figures, and numbers with their texts, of the run that the page tells of."""


def take(out: Path) -> None:
    """Copy figures and numbers of a full run."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        record = json.loads((out / name / "numbers.json").read_text(encoding="utf-8"))
        if record["quick"]:
            raise SystemExit(f"{out / name} is of a quick run; the page tells of a full one.")
        shutil.copy(out / name / "figure.png", KEPT / f"{name}.png")
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        (KEPT / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def page() -> str:
    """The page, from the figures and numbers that were taken."""
    records = {name: json.loads((KEPT / f"{name}.json").read_text("utf-8")) for name in NAMES}
    head = (DOCS / "worth.head.txt").read_text(encoding="utf-8").rstrip()
    table = ["| claim put to the test | what we found |", "| --- | --- |"]
    table += [
        f"| [{r['title']}](#{name}) | {first_sentence(r['measured'])} |"
        for name, r in records.items()
    ]
    parts = [head.replace("{table}", "\n".join(table)), *map(section, NAMES, records.values())]
    return "\n\n".join(parts) + "\n"


def section(name: str, record: dict[str, Any]) -> str:
    """Figure, claim, what was measured and where it differs."""
    images = ", ".join(source["name"] for source in record["sources"])
    return (
        f"({name})=\n## {record['title']}\n\n"
        f"![{record['title']}](_static/worth/{name}.png)\n\n"
        f"**The paper.** {record['claim']}\n\n**Measured.** {record['measured']}\n\n"
        f"**Where it differs.** {record['differs']}\n\n"
        f"*On {images}; seed {record['seed']}. "
        f"{{download}}`All numbers <_static/worth/{name}.json>`; again by "
        f"`augmoments reproduce {name} --data DIR`.*"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]))
    (DOCS / "worth.md").write_text(page(), encoding="utf-8")

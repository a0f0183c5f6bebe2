"""Make the page "A data augmentation is worth how many samples?" from what the experiments left.

augmoments reproduce all --data DIR --out OUT
python docs/worth.py OUT
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from statistics import median
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
    head = head.replace("{answer}", answer(records)).replace("{table}", "\n".join(table))
    parts = [head, *map(section, NAMES, records.values())]
    return "\n\n".join(parts) + "\n"


def answer(records: dict[str, Any]) -> str:
    """What a reader in a hurry takes home."""
    asked = records["convergence"]["numbers"]["verdict"]
    ridge = records["linear-regression"]["numbers"]["cases"]
    shares = [row["augmentation_share"] for row in records["convergence"]["numbers"]["networks"]]

    def draws(of: str, error: str = "1%") -> str:
        return f"{asked[f'{of} to {error}']['median']:,.0f}"

    def many(of: str) -> str:
        one = asked[f"{of} to 1%"]
        return f"{one['tens_of_thousands']} of {one['cases']} cases take 10,000 or more"

    def copies(norm: str) -> str:
        found = [case[norm]["copies_for_goal"] for case in ridge]
        return f"{min(found):,.0f} to {max(found):,.0f}"

    rows = [
        ("its mean", draws("mean"), many("mean")),
        ("its covariance", draws("covariance"), many("covariance")),
        ("its loss, small trained network", draws("loss"), many("loss")),
        ("the gradient of that loss", draws("gradient"), many("gradient")),
        ("the mean loss of all images looked at", draws("mean loss"), many("mean loss")),
        ("weights of ridge regression", copies("weights"), f"range of {len(ridge)} cases"),
        ("its predictions", copies("predictions"), f"range of {len(ridge)} cases"),
    ]
    table = "\n".join(f"| {what} | {n} | {note} |" for what, n, note in rows)
    return (
        "It depends on what for. Draws of each image until something is right to 1% (medians over "
        "augmentations, datasets and models; a tenth of the error takes a hundred times as many):"
        f"\n\n| right to 1% | draws of each image | |\n| --- | --- | --- |\n{table}\n\n"
        f"At 10% the loss of a network takes {draws('loss', '10%')} draws and the covariance "
        f"{draws('covariance', '10%')}. Training takes these averages over many steps: of the "
        f"variance of a stochastic gradient the augmentation has {median(shares):.0%} (median; "
        f"{min(shares):.0%} to {max(shares):.0%}), the choice of the image the rest. Closed forms "
        "and nodes give all of these limits without sampling, to a stated error."
    )


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

"""Write results.md and _static/results.schema.json from the classes that a report is made of.

python docs/results.py
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from augmoments.reporting.columns import CSV
from augmoments.reporting.schema import json_schema

HERE = Path(__file__).parent
PAGE, SCHEMA = HERE / "results.md", HERE / "_static" / "results.schema.json"
HEAD = """# Results of a report

`augmoments quantify` and `augmoments.report` write three files.

| file | |
| --- | --- |
| `report.html` | one page that needs nothing else, and asks for nothing |
| `results.json` | all numbers behind it, as below; its [schema](_static/results.schema.json) |
| `images.csv` | a row for every image that was quantified |

`schema` is `augmoments.results/1`: keys are only added to it, and a change of meaning raises the
number. Numbers that are not finite are `null`. Lists of a subject go by image, in the order of its
`used`; those of `every` in the order of that one's `used`.

The columns of `images.csv` are `subject`, `image` (its place in the source), `label`, and these
numbers with their error bounds, relative but for the loss; a cell is empty where a number was not
found:

{columns}.
"""


def page(schema: dict[str, Any]) -> str:
    """A section for every object, with a line for every key."""
    objects = {schema["title"]: schema, **schema["$defs"]}
    columns = ", ".join(f"`{name}`" for name in CSV)
    head = HEAD.replace("{columns}", textwrap.fill(columns, 100))
    return "\n".join([head, *(_section(name, found) for name, found in objects.items())])


def _section(name: str, found: dict[str, Any]) -> str:
    lines = [f"## {name}", "", found["description"].split("\n\n")[0].replace("\n", " "), ""]
    lines += ["| key | type | |", "| --- | --- | --- |"]
    for key, value in found["properties"].items():
        text = value["description"].replace("``", "`").replace("|", "\\|").replace("None", "null")
        lines.append(f"| `{key}` | {_type(value)} | {text} |")
    return "\n".join([*lines, ""])


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        kinds = [_type(kind) for kind in value["anyOf"]]
        return " or ".join(kind for kind in kinds if kind != "null") + " or null"
    if value.get("type") == "array":
        if "prefixItems" in value:
            return "array of " + str(len(value["prefixItems"]))
        items = _type(value["items"]) if value["items"] else ""
        return f"array of {items}" if items else "array"
    return str(value.get("type", "any"))


def main() -> None:
    """Write both."""
    schema = json_schema()
    SCHEMA.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(schema), encoding="utf-8")


if __name__ == "__main__":
    main()

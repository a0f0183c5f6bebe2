"""What one augmentation brings when it is added to another."""

from __future__ import annotations

from itertools import combinations
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import Compose
from augmoments.calculus.explain import explain
from augmoments.comparison import Comparison, compare
from augmoments.data.dataset import resize
from augmoments.reproduce.context import Context
from augmoments.reproduce.drawing import figure, heat_map
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.families import FAMILIES, Family

_LEADING = 4  # eigenvectors whose spans are compared
_SAME, _ADDITIVE = 0.5, 0.1
_SHARES = 0.05  # error that shares may have
_NODES = 512
_SIDE = 14
_WITHOUT = ("blur",)


def _run(context: Context) -> Findings:
    families = tuple(one for one in FAMILIES if one.name not in _WITHOUT)
    count = 2 if context.quick else 3
    sources = context.sources()[:1] if context.quick else context.sources()
    sets = [
        measure(name, small(context.labelled(name, count).images), context, families)
        for name in sources
    ]
    numbers = {"augmentations": [one.name for one in families], "sets": sets}
    numbers["pooled"] = pooled(sets)
    return Findings(numbers, _draw(numbers), _measured(numbers), _differs(numbers))


def small(images: Tensor) -> Tensor:
    """Images of at most ``_SIDE`` pixels a side, as crops of all pairs are enumerated."""
    return resize(images, _SIDE) if images.shape[-1] > _SIDE else images


def measure(
    name: str, images: Tensor, context: Context, families: tuple[Family, ...]
) -> dict[str, Any]:
    """All pairs of augmentations at medium strength; medians over the images."""
    side, pairs = images.shape[-1], list(combinations(families, 2))
    rows = []
    for place, (first, second) in enumerate(pairs):
        context.tell(f"pairs, {name}", place, len(pairs))
        row = {"first": first.name, "second": second.name}
        rows.append({**row, **pair(images, first.medium(side), second.medium(side), context.seed)})
    context.tell(f"pairs, {name}", len(pairs), len(pairs))
    return {"images": name, "count": len(images), "side": side, "pairs": rows}


def pair(images: Tensor, a: Augmentation, b: Augmentation, seed: int) -> dict[str, Any]:
    """What ``b`` after ``a`` brings, with the error bound of the totals relative to their sum.

    ``overlap`` is the mean squared cosine of the principal angles between the leading eigenspaces
    of ``a`` and ``b``: 1 if they are the same, 0 if nothing is common.
    """
    both = Compose([a, b])
    options: Any = {"tol": 1e-2, "seed": seed, "max_nodes": _NODES, "k": _LEADING}
    apart = compare(images, a, b, **options)
    a_in, b_in = (compare(images, both, one, **options) for one in (a, b))
    separate = apart.trace_a.value + apart.trace_b.value
    wrong = a_in.trace_a.error + apart.trace_a.error + apart.trace_b.error
    rows = explain(both, images, tol=_SHARES, seed=seed).rows
    share = {row.position: row for row in rows}
    return {
        "variance_over_sum": float((a_in.trace_a.value / separate).median()),
        "variance_error": float((wrong / separate).max()),
        "overlap": _overlap(apart),
        "overlap_of_both_with_first": _overlap(a_in),
        "overlap_of_both_with_second": _overlap(b_in),
        "first_alone": share[0].alone,
        "first_beyond": share[0].beyond,
        "second_alone": share[1].alone,
        "second_beyond": share[1].beyond,
    }


def _overlap(found: Comparison) -> float:
    return float(found.cosines.double().square().mean(1).median())


def pooled(sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the datasets; shares where there are any."""
    rows = []
    for place, first in enumerate(sets[0]["pairs"]):
        row: dict[str, Any] = {"first": first["first"], "second": first["second"]}
        for key in first:
            values = [one["pairs"][place][key] for one in sets]
            known = [value for value in values if value is not None]
            if key not in row:
                row[key] = median(known) if known else None
        rows.append(row)
    return rows


def table(numbers: dict[str, Any], upper: str, lower: str) -> list[list[float | None]]:
    """A square table of pairs: ``upper`` where row comes before column, ``lower`` after."""
    place = {name: i for i, name in enumerate(numbers["augmentations"])}
    found: list[list[float | None]] = [[None] * len(place) for _ in place]
    for row in numbers["pooled"]:
        i, j = place[row["first"]], place[row["second"]]
        found[i][j], found[j][i] = row[upper], row[lower]
    return found


def _draw(numbers: dict[str, Any]) -> Figure:
    names = numbers["augmentations"]
    made, axes = figure(
        1,
        3,
        size=(14.5, 4.9),
        title=_title(numbers["pooled"]),
    )
    same = ("variance_over_sum", "variance_over_sum")
    total = table(numbers, *same)
    reach = max(_ADDITIVE, *(abs(row[same[0]] - 1) for row in numbers["pooled"]))
    short = [name.replace("brightness & contrast", "brightness") for name in names]
    options: Any = {"rows": short, "columns": short, "form": "{:.2f}"}
    heat_map(axes[0, 0], total, low=1 - reach, high=1 + reach, colors="RdBu_r", **options)
    axes[0, 0].set_title("Variance of both over the sum of variances\n(1: they add up)")
    overlap = table(numbers, "overlap", "overlap")
    heat_map(axes[0, 1], overlap, low=0, high=1, **options)
    axes[0, 1].set_title(f"Overlap of the {_LEADING} leading eigenvectors\n(1: same directions)")
    beyond = table(numbers, "second_beyond", "first_beyond")
    heat_map(axes[0, 2], beyond, low=-1, high=1, colors="RdBu_r", **options)
    axes[0, 2].set_title("Share of the variance of both that goes\nwhen the column is left out")
    return made


def _title(rows: list[dict[str, Any]]) -> str:
    ratio = median(row["variance_over_sum"] for row in rows)
    if ratio < 1 - _ADDITIVE:
        return "Two augmentations together vary less than their variances add up to"
    if ratio > 1 + _ADDITIVE:
        return "Two augmentations together vary more than their variances add up to"
    return "The variances of two augmentations nearly add up"


def _measured(numbers: dict[str, Any]) -> str:
    rows = numbers["pooled"]
    ratios = [row["variance_over_sum"] for row in rows]
    low, high = (pick(rows, key=lambda row: row["variance_over_sum"]) for pick in (min, max))
    near = sum(abs(ratio - 1) <= _ADDITIVE for ratio in ratios)
    most = max(rows, key=lambda row: row["overlap"])
    wrong = max(row["variance_error"] for row in rows)
    return (
        f"Variances add up within {_ADDITIVE:.0%} for {near} of {len(rows)} pairs of augmentations "
        f"at medium strength (images of at most {_SIDE} pixels a side): the variance "
        f"of both is {median(ratios):.2f} times the sum of the "
        f"two (median), {low['variance_over_sum']:.2f} for {_pair(low)} to "
        f"{high['variance_over_sum']:.2f} for {_pair(high)}; error bounds are at most {wrong:.2g}. "
        f"The {_LEADING} leading eigenvectors are most alike for {_pair(most)} (overlap "
        f"{most['overlap']:.2f}, where 1 is the same span), and "
        f"{sum(row['overlap'] >= _SAME for row in rows)} of {len(rows)} pairs reach {_SAME}."
    )


def _differs(numbers: dict[str, Any]) -> str:
    rows = numbers["pooled"]
    less = sum(row["variance_over_sum"] < 1 - _ADDITIVE for row in rows)
    more = sum(row["variance_over_sum"] > 1 + _ADDITIVE for row in rows)
    gains = [
        (row[f"{role}_beyond"], row[role], row["second" if role == "first" else "first"])
        for row in rows
        for role in ("first", "second")
        if row[f"{role}_beyond"] is not None
    ]
    (least, added, to), (most, added_most, to_most) = min(gains), max(gains)
    negative = sum(share < -_SHARES for share, *_ in gains)
    return (
        f"The paper takes augmentations one by one. Variances of two do not simply add: {less} of "
        f"{len(rows)} pairs have more than {_ADDITIVE:.0%} less than the sum, {more} more than "
        f"{_ADDITIVE:.0%} more. What an augmentation brings depends on what is there already: "
        f"adding {added_most} to {to_most} makes up {most:.0%} of the variance of both, adding "
        f"{added} to {to} {least:.0%}. In {negative} of {len(gains)} cases the added one takes "
        f"away more variance than it brings (by more than the {_SHARES:.0%} that shares may be "
        f"off). The overlap compares spans of the {_LEADING} leading eigenvectors alone, whatever "
        "their eigenvalues."
    )


def _pair(row: dict[str, Any]) -> str:
    return f"{row['first']} with {row['second']}"


EXPERIMENT = Experiment(
    name="policies-compared",
    title="What one augmentation brings when it is added to another",
    claim="The paper reads off the covariance V which information an augmentation encodes, one "
    "augmentation at a time (section 2). Beyond it: what a second augmentation adds to a first.",
    run=_run,
)

"""What is told of convergence: draws needed by quantity, and where tens of thousands are right."""

from __future__ import annotations

from statistics import median
from typing import Any

QUANTITIES = {
    "mean": "its mean",
    "covariance": "its covariance",
    "linear loss": "its loss under a ridge classifier",
    "mean linear loss": "the mean of these losses",
    "loss": "its loss under a small network",
    "gradient": "the gradient of that",
    "mean loss": "the mean loss of all images looked at",
    "mean gradient": "the gradient of that mean",
}
"""The quantities, in words that follow "an image needs n draws for"."""
MANY = 10_000
"""Where "tens of thousands" begins."""
_CLOSE = 0.1
_SMALL = 0.01
"""A cross-entropy below it is called close to zero: a probability of 99% for the right class."""


def measured(numbers: dict[str, Any]) -> str:
    """What was measured."""
    told, rows = numbers["verdict"], numbers["networks"]
    models = " and ".join(dict.fromkeys(row["model"] for row in rows))
    augmentations = ", ".join(dict.fromkeys(row["augmentation"] for row in rows))
    counts = " or ".join(str(n) for n in sorted({row["count"] for row in rows}))
    one, five, ten = (_listed(told, error) for error in ("1%", "5%", "10%"))
    methods = ", ".join(sorted({row["method"] for row in rows}))
    off = [row["error_of_draws"][of] for row in rows for of in row["error_of_draws"]]
    return (
        f"For a root-mean-square error of 1% an image needs {one}. These are medians over cases: "
        f"{told['mean to 1%']['cases']} of augmentation and dataset for means, covariances and a "
        f"ridge classifier, {len(rows)} for networks ({models}, trained on the cross-entropy for "
        f"{rows[0]['epochs']} epochs without and with {augmentations}), in each case of {counts} "
        f"training images. In the same order it is "
        f"{five} for 5%, and {ten} for 10%. With 95% confidence in place of a root mean square a "
        f"network's loss to 1% takes {median(row['loss_to_1%_at_95%'] for row in rows):,.0f}, by "
        f"the central limit theorem, which holds for {_mean(rows, 'reliable'):.0%} of these images "
        f"at so many draws. These numbers of draws are known to within {median(off):.1%} "
        f"(median of the error bounds, the largest is {max(off):.0%}; {methods}). "
        f"{_trained(rows)} {_shares(rows)} {_agreement(numbers['observed'])}"
    )


def _listed(told: dict[str, Any], error: str) -> str:
    found = {of: told[f"{of} to {error}"]["median"] for of in QUANTITIES}
    if error == "1%":
        parts = [f"{n:,.0f} for {QUANTITIES[of]}" for of, n in found.items()]
        return f"{', '.join(parts[:-1])} and {parts[-1]}"
    return ", ".join(f"{n:,.0f}" for n in found.values())


def _trained(rows: list[dict[str, Any]]) -> str:
    plain, augmented = (
        {of: _to_one(rows, of, training) for of in ("loss", "gradient")}
        for training in ("plain", "augmented")
    )
    return (
        f"Networks that were trained without the augmentation need {plain['loss']:,.0f} draws for "
        f"the loss and {plain['gradient']:,.0f} for the gradient, those trained with it "
        f"{augmented['loss']:,.0f} and {augmented['gradient']:,.0f}."
    )


def _to_one(rows: list[dict[str, Any]], of: str, training: str) -> float:
    return median(row["draws"][of][-1] for row in rows if row["training"] == training)


def _shares(rows: list[dict[str, Any]]) -> str:
    shares = [row["augmentation_share"] for row in rows]
    return (
        f"Of the variance of a stochastic gradient (a random one of these images at one random "
        f"draw) the augmentation has {median(shares):.0%} (median; {min(shares):.0%} to "
        f"{max(shares):.0%}), and the choice of the image has the rest."
    )


def _mean(rows: list[dict[str, Any]], of: str) -> float:
    return sum(row[of] for row in rows) / len(rows)


def _agreement(rows: list[dict[str, Any]]) -> str:
    ratios = [
        seen / said
        for row in rows
        for of, spread in row["observed"].items()
        for seen, said in zip(spread["rms"], row["predicted"][of], strict=True)
    ]
    does = "does" if abs(median(ratios) - 1) < _CLOSE else "does NOT do"
    return (
        f"Sampling {does} what is predicted: observed over predicted errors have the median "
        f"{median(ratios):.2f} and lie within {min(ratios):.2f} to {max(ratios):.2f} "
        f"({rows[0]['repetitions']} repetitions, {len(ratios)} points)."
    )


def differs(numbers: dict[str, Any]) -> str:
    """Where it differs from the claim."""
    told, rows = numbers["verdict"], numbers["networks"]
    said = []
    for of, words in QUANTITIES.items():
        one = told[f"{of} to 1%"]
        doubt = f", {one['undecided']} of all within their error bounds" if one["undecided"] else ""
        said.append(
            f"{_grade(one)} for {words} ({one['tens_of_thousands']} of {one['cases']} cases need "
            f"{MANY:,} or more{doubt}; {one['smallest']:,.0f} to {one['largest']:,.0f})"
        )
    shares = median(row["augmentation_share"] for row in rows)
    return (
        f"Tens of thousands of draws of an image are, at 1%: {'; '.join(said)}. "
        f"{_rough(told, '5%')} {_rough(told, '10%')} Draws go with the inverse square of the "
        f"error. {_near_zero(rows)} The draws of different images are independent, so that a mean "
        "over N images needs about N times fewer of each, as long as the gradients of the images "
        "do not cancel: close to a minimum of the mean loss its gradient vanishes, and no number "
        "of draws is right to a relative error. A step of training does not need "
        "such a gradient: against one draw of an image, infinitely many would take "
        f"{shares:.0%} of the variance of a stochastic gradient away (median), and no more. The "
        f"networks are small, and were looked at after {rows[0]['epochs']} epochs alone: larger "
        "ones, and shorter or longer training, have other numbers, and medians close to "
        f"{MANY:,} can fall on either side of it."
    )


def _grade(one: dict[str, Any]) -> str:
    """Right from two thirds of the cases on, wrong below one third."""
    if 3 * one["tens_of_thousands"] >= 2 * one["cases"]:
        return "right"
    if 3 * one["tens_of_thousands"] >= one["cases"]:
        return "right in some cases, too many in others,"
    return "more than most cases need"


def _rough(told: dict[str, Any], error: str) -> str:
    holding = [words for of, words in QUANTITIES.items() if told[f"{of} to {error}"]["holds"]]
    return f"At {error} most cases need them for {', '.join(holding) or 'none of these'}."


def _near_zero(rows: list[dict[str, Any]]) -> str:
    pairs = [
        (loss, n)
        for row in rows
        for loss, n in zip(row["expected_losses"], row["draws_of_losses"], strict=True)
        if n is not None
    ]
    small = [n for loss, n in pairs if loss < _SMALL]
    other = [n for loss, n in pairs if loss >= _SMALL]
    if not small or not other:
        return "No image has an expected loss close to zero." if other else "All are close to zero."
    more = "more" if median(small) > median(other) else "NOT more"
    return (
        "A relative error is hard to reach for what is close to zero: images with an expected "
        f"loss below {_SMALL:g} ({len(small) / len(pairs):.0%} of them) need {more} draws for 1%, "
        f"{median(small):,.0f} (median) against {median(other):,.0f} of the others."
    )

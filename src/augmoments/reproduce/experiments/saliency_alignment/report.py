"""What the experiment on saliency alignment found: summed up and told."""

from __future__ import annotations

from math import log
from statistics import geometric_mean, median
from typing import Any

TRAININGS = ("untrained", "plain", "augmented")
SHOWN = ("rotation ±15°", "cnn")
CHANGED = {
    "variance": "variance\nof the loss",
    "size": "size ‖g‖²",
    "alignment": "alignment",
    "nonlinearity": "beyond\nfirst order",
}
_CLOSE = 0.1
"""Rank correlations nearer than this are called alike."""
_CLEAR = 0.4
"""A rank correlation that is called one."""
_MOSTLY = 0.75
"""Share of the cases that is called reliable."""
_FACTOR = 1.5
"""Off by more than this the first order is said to fail."""


def summary(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over policies, models and datasets by training, and what follows from them."""
    by = {name: [case for case in cases if case["training"] == name] for name in TRAININGS}
    found: dict[str, Any] = {
        training: {
            "rank_correlations": _medians(chosen, "rank_correlations"),
            "shares": _medians(chosen, "shares"),
            **{
                name: median(case[name] for case in chosen)
                for name in ("excess", "nonlinearity", "relative_deviation", "accuracy")
            },
        }
        for training, chosen in by.items()
    }
    for name, weak in (("weak", True), ("usual", False)):
        chosen = [case for case in by["augmented"] if case["weak"] is weak]
        changed = [case["change_from_plain"] for case in chosen]
        found[f"change_{name}"] = {
            **{key: geometric_mean(change[key] for change in changed) for key in CHANGED},
            "less_aligned": sum(change["alignment"] < 1 for change in changed),
            "smaller": sum(change["size"] < 1 for change in changed),
            "cases": len(changed),
        }
        chosen = {t: [case for case in by[t] if case["weak"] is weak] for t in TRAININGS}
        found[f"linearized_{name}"] = {
            training: median(case["rank_correlations"]["linearized"] for case in some)
            for training, some in chosen.items()
        }
        found[f"nonlinearity_{name}"] = {
            training: median(case["nonlinearity"] for case in some)
            for training, some in chosen.items()
        }
    found["predicted_by"] = {training: _stronger(found[training]) for training in TRAININGS}
    return found


def _medians(cases: list[dict[str, Any]], kind: str) -> dict[str, float]:
    return {name: median(case[kind][name] for case in cases) for name in cases[0][kind]}


def _stronger(found: dict[str, Any]) -> str:
    """Which of alignment and size ranks the variance better, or that they are alike."""
    alignment, size = (found["rank_correlations"][name] for name in ("alignment", "size"))
    if abs(alignment - size) < _CLOSE:
        return "both alike"
    return "alignment" if alignment > size else "size"


def measured(numbers: dict[str, Any]) -> str:
    """What was found, first the finding in a sentence."""
    total = numbers["summary"]
    untrained, plain, augmented = (total[training] for training in TRAININGS)
    rho, equal = "rank_correlations", "alignment_at_equal_size"
    count = total["change_usual"]["cases"] + total["change_weak"]["cases"]
    first = {
        "size": "For trained models the size of the gradient ranks the variance of the loss better "
        "than its alignment with V does",
        "alignment": "For trained models the alignment of the gradient with V ranks the variance "
        "of the loss better than its size does",
        "both alike": "For trained models the size of the gradient and its alignment with V rank "
        "the variance of the loss alike",
    }[total["predicted_by"]["plain"]]
    return (
        f"{first}: median rank correlation {plain[rho]['size']:.2f} against "
        f"{plain[rho]['alignment']:.2f}, over {numbers['probed']} training images in each of "
        f"{count} combinations of dataset ({', '.join(numbers['sources'])}), policy and model "
        "(linear, MLP, CNN). For models trained with the augmentation it is "
        f"{augmented[rho]['size']:.2f} against {augmented[rho]['alignment']:.2f}; for untrained "
        f"ones, whose gradients differ little in size, {untrained[rho]['size']:.2f} against "
        f"{untrained[rho]['alignment']:.2f}. At equal size the less aligned image does have the "
        "more stable loss: the partial rank correlation with the alignment is "
        f"{_three(total, equal)} (untrained, trained without, trained with). The same is seen of "
        "the standard deviation relative to the expected loss: its rank correlation with the "
        f"alignment is {_three(total, 'relative_with_alignment')}. gᵀVg, which has both, ranks the "
        f"variance with {_trio(total['linearized_weak'])} for weak augmentations and "
        f"{_trio(total['linearized_usual'])} for usual ones. In units of a random direction the "
        f"alignment is {untrained['excess']:.2g}, {plain['excess']:.2g} and "
        f"{augmented['excess']:.2g} (untrained, trained without, trained with). "
        f"{_changes('usual', total['change_usual'])} {_changes('weak', total['change_weak'])}"
    )


def _three(total: dict[str, Any], name: str) -> str:
    return _trio({training: total[training]["rank_correlations"][name] for training in TRAININGS})


def _trio(found: dict[str, float]) -> str:
    return " / ".join(f"{found[training]:.2f}" for training in TRAININGS)


def _changes(name: str, found: dict[str, Any]) -> str:
    return (
        f"Training with a {name} augmentation multiplies the variance by {found['variance']:.2g} "
        f"(geometric mean): the size by {found['size']:.2g}, the alignment by "
        f"{found['alignment']:.2g} (lower in {found['less_aligned']} of {found['cases']} cases), "
        f"and what goes beyond the first order by {found['nonlinearity']:.2g}."
    )


def differs(numbers: dict[str, Any]) -> str:
    """Whether the claim holds, part by part."""
    total = numbers["summary"]
    equal = min(
        total[training]["rank_correlations"]["alignment_at_equal_size"] for training in TRAININGS
    )
    parts = [
        "At a given size of the gradient the claim holds: alignment decides which losses are "
        "stable."
        if equal >= _CLEAR
        else "Even at a given size of the gradient alignment tells little of the stable losses."
    ]
    if "size" in (total["predicted_by"]["plain"], total["predicted_by"]["augmented"]):
        parts.append(
            "Alignment alone does not decide it for trained models: well-fitted images have small "
            "gradients and so stable losses, wherever these point, because the variance is the "
            "product of spread, size and alignment and the sizes differ by more."
        )
    change = total["change_usual"]
    if change["variance"] < 1:
        shares = {k: log(change[k]) / log(change["variance"]) for k in list(CHANGED)[1:]}
        lower = change["less_aligned"] / change["cases"]
        towards = "does" if lower >= _MOSTLY else "does not reliably"
        parts.append(
            f"Training with an augmentation {towards} turn the saliency towards small "
            "eigenvectors, compared with training without it, as the paper expects; of the fall "
            f"of the log variance this is {shares['alignment']:.0%}, the size of the gradient "
            f"{shares['size']:.0%}, and what goes beyond the first order "
            f"{shares['nonlinearity']:.0%}."
        )
    weak, usual = total["nonlinearity_weak"], total["nonlinearity_usual"]
    if not 1 / _FACTOR < usual["plain"] < _FACTOR:
        parts.append(
            "The paper's argument is of first order about the mean image. For models trained "
            f"without augmentation the variance is {weak['plain']:.2g} times what the first order "
            f"says for weak augmentations and {usual['plain']:.2g} times for usual ones (medians), "
            f"trained with them {weak['augmented']:.2g} and {usual['augmented']:.2g} times: at "
            "usual strengths a loss is stable only if the model is flat along the whole path of "
            "the augmentation, which a gradient at one place does not tell."
        )
    if total["plain"]["excess"] > 1:
        parts.append(
            "After training, with or without the augmentation, the saliency does not lie in the "
            "smallest eigenvectors: it is more aligned with V than a random direction would be."
            if total["augmented"]["excess"] > 1
            else "Without the augmentation the saliency of trained models is more aligned with V "
            "than a random direction would be, with it less."
        )
    return " ".join(parts)

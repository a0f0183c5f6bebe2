"""What the experiment on alignment over training found: summed up and told."""

from __future__ import annotations

from math import exp
from statistics import fmean
from typing import Any, Literal

from augmoments.reproduce.experiments.alignment_over_training.trends import LOGARITHMIC

TRAININGS = {"plain": "without augmentation", "augmented": "with augmentation"}
_MOSTLY = 0.75
"""Share of the cases, significant and of one sign, that is called a finding."""


def summary(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the cases, how many of them are significant, and what that amounts to."""
    found: dict[str, Any] = {"cases": len(cases), "effect": _pool([c["effect"] for c in cases])}
    for kind in ("over_training", "from_turn"):
        found[kind] = {key: _pool([c[kind][key] for c in cases]) for key in TRAININGS}
    found["at_the_end"] = {
        key: {
            name: fmean(c["curves"][key][name]["mean"][-1] for c in cases)
            for name in cases[0]["effect"]
        }
        for key in TRAININGS
    }
    found["untrained_gain"] = fmean(c["curves"]["plain"]["gain"]["mean"][0] for c in cases)
    found["untrained_frequency"] = fmean(
        c["curves"]["plain"]["mean_frequency"]["mean"][0] for c in cases
    )
    found["verdict"] = {
        "alignment_lower_with_than_without": _verdict(found["effect"]["gain"], "lower"),
        "alignment_falls_with": _verdict(found["over_training"]["augmented"]["gain"], "lower"),
        "alignment_falls_from_turn_with": _verdict(
            found["from_turn"]["augmented"]["gain"], "lower"
        ),
        "alignment_falls_from_turn_without": _verdict(found["from_turn"]["plain"]["gain"], "lower"),
        "frequency_higher_with_than_without": _verdict(found["effect"]["mean_frequency"], "higher"),
        "frequency_rises_with": _verdict(
            found["over_training"]["augmented"]["mean_frequency"], "higher"
        ),
    }
    return found


def _pool(trends: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each quantity: the mean, a factor where it is of logarithms, and the significant ones."""
    found = {}
    for name in trends[0]:
        mean = fmean(one[name]["mean"] for one in trends)
        signs = [one[name]["sign"] for one in trends]
        found[name] = {
            "mean": exp(mean) if name in LOGARITHMIC else mean,
            "lower": signs.count(-1),
            "higher": signs.count(1),
            "cases": len(signs),
        }
    return found


def _verdict(found: dict[str, Any], side: Literal["lower", "higher"]) -> str:
    """``"yes"``, ``"no"`` (as often the other way), or ``"mixed"``."""
    other = "higher" if side == "lower" else "lower"
    if found[side] >= _MOSTLY * found["cases"]:
        return "yes"
    return "no" if found[other] >= _MOSTLY * found["cases"] else "mixed"


def measured(numbers: dict[str, Any]) -> str:
    """What was found, first the finding in a sentence."""
    total = numbers["summary"]
    effect, count = total["effect"], total["cases"]
    gain, end = effect["gain"], total["at_the_end"]
    first = {
        "yes": "Models trained with an augmentation end with saliency maps less aligned with it "
        "than models trained without",
        "no": "Models trained with an augmentation end with saliency maps more aligned with it "
        "than models trained without",
        "mixed": "Whether models trained with an augmentation end with saliency maps less aligned "
        "with it than models trained without depends on the case",
    }[total["verdict"]["alignment_lower_with_than_without"]]
    return (
        f"{first}: gᵀVg / (λ₁‖g‖²), at the mean images of {numbers['probed']} training images, is "
        f"{gain['mean']:.2g} times what it is without (geometric mean), significantly lower in "
        f"{gain['lower']} and higher in {gain['higher']} of {count} cases ({_datasets(numbers)}; "
        f"rotation and translation; MLP and CNN; {numbers['seeds']} paired seeds each, Student's "
        f"test at 5 %). In units of a random direction untrained models have "
        f"{total['untrained_gain']:.2g}, models trained without augmentation "
        f"{end['plain']['gain']:.2g} after {numbers['epochs']} epochs and those trained with it "
        f"{end['augmented']['gain']:.2g} (means over the cases). {_course(total)} With images "
        "weighted by their gradients the augmentation's effect is a factor of "
        f"{effect['pooled_gain']['mean']:.2g} (lower in {effect['pooled_gain']['lower']}, higher "
        f"in {effect['pooled_gain']['higher']} cases). The share of the saliency's energy outside "
        "of the few directions that carry 99 % of tr V is "
        f"{end['augmented']['smallest']:.3f} with and {end['plain']['smallest']:.3f} without the "
        "augmentation. The mean spatial frequency of the saliency starts at "
        f"{total['untrained_frequency']:.2f} of Nyquist and ends at "
        f"{end['augmented']['mean_frequency']:.3f} with and {end['plain']['mean_frequency']:.3f} "
        f"without (higher with it in {effect['mean_frequency']['higher']}, lower in "
        f"{effect['mean_frequency']['lower']} cases); the share of its energy above a quarter of "
        f"Nyquist ends at {end['augmented']['high']:.3f} and {end['plain']['high']:.3f}."
    )


def _datasets(numbers: dict[str, Any]) -> str:
    return ", ".join(numbers["sources"])


def _course(total: dict[str, Any]) -> str:
    """How alignment moves over training, with and without."""
    parts = []
    for key, label in TRAININGS.items():
        whole, late = (total[kind][key]["gain"] for kind in ("over_training", "from_turn"))
        parts.append(
            f"{label} by a factor of {whole['mean']:.2g} from the untrained model (significantly "
            f"down in {whole['lower']}, up in {whole['higher']} cases) and {late['mean']:.2g} from "
            f"the epoch of greatest alignment (down in {late['lower']})"
        )
    return f"It changes {', '.join(parts)}."


def differs(numbers: dict[str, Any]) -> str:
    """Whether the claim holds, part by part."""
    total = numbers["summary"]
    verdict, end = total["verdict"], total["at_the_end"]
    parts = [
        {
            "yes": "Relative to training without it, the augmentation does turn the saliency "
            "towards the small eigenvectors, as the paper expects.",
            "no": "Relative to training without it, the augmentation does not turn the saliency "
            "towards the small eigenvectors, but away from them.",
            "mixed": "Relative to training without it, the augmentation turns the saliency towards "
            "the small eigenvectors in some cases only.",
        }[verdict["alignment_lower_with_than_without"]],
        {
            "yes": "It also falls over the training itself.",
            "no": "Over the training itself, though, alignment rises from that of the untrained "
            "model: what is seen is a smaller rise, not a move into the kernel.",
            "mixed": "Over the training itself alignment moves both ways, by the case.",
        }[verdict["alignment_falls_with"]],
    ]
    turned = [verdict[f"alignment_falls_from_turn_{key}"] for key in ("with", "without")]
    if "yes" in turned and verdict["alignment_falls_with"] == "no":
        parts.append(
            "Alignment rises in the first epochs and falls later"
            + {
                ("yes", "yes"): ", with and without augmentation.",
                ("yes", "no"): ", with augmentation only.",
                ("yes", "mixed"): " with augmentation, without it in some cases only.",
            }.get(tuple(turned), ", without augmentation.")
        )
    if end["augmented"]["gain"] > 1:
        parts.append(
            "In the end the saliency is still more aligned with V than a random direction would be."
        )
    parts.append(
        {
            "yes": "With augmentation the saliency has higher spatial frequencies than without, "
            "which agrees with a shift to finer structure.",
            "no": "With augmentation the saliency has lower spatial frequencies than without: the "
            "opposite of a shift from edges to fine textures.",
            "mixed": "The augmentation does not generally shift the saliency to higher spatial "
            "frequencies: a shift from edges to textures is not seen.",
        }[verdict["frequency_higher_with_than_without"]]
    )
    parts.append(
        {
            "yes": "Frequencies rise over the training with augmentation.",
            "no": "Frequencies fall over the training with augmentation.",
            "mixed": "Over the training with augmentation they move both ways, by the case.",
        }[verdict["frequency_rises_with"]]
    )
    parts.append(
        "These are small networks on small images, which have little texture; the paper's "
        "suggestion is about large ones on photos, and is not decided by this."
    )
    return " ".join(parts)

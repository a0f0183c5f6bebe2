"""Laws of parameters at another strength."""

from __future__ import annotations

from dataclasses import replace

from augmoments.checks import check_probability
from augmoments.errors import LawError, PolicyError
from augmoments.laws import Discrete, Law, bernoulli
from augmoments.laws.independent import Independent
from augmoments.laws.joint import JointLaw
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.base import Neutral, Operator


def scaled_probability(p: float, strength: float) -> float:
    """``strength`` times the probability ``p``.

    Raises:
        LawError: It is above 1.
    """
    found = strength * check_probability(p)
    if found > 1:
        raise LawError(f"its probability {p:g} would become {found:g}; it takes at most {1 / p:g}.")
    return found


def scaled_law(
    owner: str, operator: Operator, law: Law | JointLaw, strength: float
) -> Law | JointLaw:
    """The law of the parameters of ``operator``, with ``strength`` times as much done.

    Raises:
        PolicyError: The operator has no neutral parameters, or the law is not one number by number.
        LawError: A probability above 1.
    """
    neutral = operator.neutral
    if neutral and isinstance(law, Law):
        return _scaled(law, neutral[0], strength)
    if neutral and isinstance(law, Independent):
        rest = (Neutral(0.0, "label"),) * (len(law.laws) - len(neutral))
        pairs = zip(law.laws, (*neutral, *rest), strict=True)
        return replace(law, laws=tuple(_scaled(own, at, strength) for own, at in pairs))
    raise PolicyError(
        f"{owner} has no strength that could be scaled: give a function strength -> policy instead."
    )


def _scaled(law: Law, neutral: Neutral, strength: float) -> Law:
    match neutral.kind:
        case "magnitude":
            return rescaled_law(law, neutral.value, strength)
        case "coin":
            assert isinstance(law, Discrete)
            return bernoulli(scaled_probability(min(law.mean, 1.0), strength))
        case "label":
            return law

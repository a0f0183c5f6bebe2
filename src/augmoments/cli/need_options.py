"""What ``augmoments need`` is asked: its options, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, get_args

from augmoments.checks import did_you_mean
from augmoments.cli.need_ask import QUANTITIES
from augmoments.cli.usage import LOSSES, SPLITS, check_choice, check_fractions
from augmoments.errors import ConfigError
from augmoments.sample_size.predictions.answer import Until
from augmoments.sample_size.result import Bound


@dataclass(frozen=True)
class NeedOptions:
    """What ``augmoments need`` is asked; each field is an option of the command."""

    images: str
    policy: str
    of: str | None = None
    rel_error: float = 0.01
    confidence: float = 0.95
    bound: str = "clt"
    simultaneous: bool = False
    model: str | None = None
    loss: str | None = None
    loss_range: str | None = None
    alpha: float = 1e-3
    until: str = "error"
    views: int | None = None
    limit: int = 64
    size: int | None = None
    tol: float = 1e-2
    seed: int = 0
    max_nodes: int = 4096
    split: str = "train"
    key: str | None = None
    label_key: str | None = None
    out: str | None = None
    json: bool = False
    quiet: bool = False


def check(options: NeedOptions) -> None:
    """Refuse values that nothing takes, whatever is asked for.

    Raises:
        ConfigError: There is one.
    """
    check_fractions(options, "rel_error", "confidence", "tol")
    check_choice(options, "bound", get_args(Bound))
    check_choice(options, "until", get_args(Until))
    check_choice(options, "loss", LOSSES)
    check_choice(options, "split", SPLITS)
    if not 0 <= options.alpha < inf:
        raise ConfigError(f"--alpha {options.alpha:g}: expected a finite number of at least 0.")
    _range(options.loss_range)


def quantities(text: str | None) -> tuple[str, ...]:
    """Names of the quantities that are asked for; all of them by default.

    Raises:
        ConfigError: There is no such quantity.
    """
    if text is None:
        return QUANTITIES
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in QUANTITIES:
            raise ConfigError(
                f"--of {text}: {name!r} is none of {', '.join(QUANTITIES)}"
                f"{did_you_mean(name, QUANTITIES)}."
            )
    return names


def common(options: NeedOptions) -> dict[str, Any]:
    """Arguments of :func:`augmoments.samples_needed` for all quantities."""
    names = ("rel_error", "confidence", "bound", "simultaneous", "tol", "seed", "max_nodes")
    return {name: getattr(options, name) for name in names}


def own(options: NeedOptions) -> dict[str, dict[str, Any]]:
    """Arguments of single quantities."""
    views = {} if options.views is None else {"views": options.views}
    return {
        "loss": {"loss_range": _range(options.loss_range), **views},
        "gradient": views,
        "parameters": {"alpha": options.alpha},
        "prediction": {"until": options.until},
    }


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--loss-range {text}: expected two numbers, as in 0,2.5.") from error
    if not -inf < low < high < inf:
        raise ConfigError(f"--loss-range {text}: expected finite numbers, the lower one first.")
    return low, high

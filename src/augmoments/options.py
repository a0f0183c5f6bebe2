"""Numbers that say how an answer is to be found: tolerances, counts and seeds, checked."""

from __future__ import annotations

from numbers import Integral, Real

from augmoments.errors import InputError, InputTypeError

_SEEDS = 2**63


def check_share(name: str, value: object) -> float:
    """A number between 0 and 1, neither of them included.

    Raises:
        InputTypeError: Not a number.
        InputError: Not between 0 and 1.

    >>> check_share("tol", 1e-3)
    0.001
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InputTypeError(
            f"{name} must be a number between 0 and 1, got {type(value).__name__} {value!r}."
        )
    if not 0 < float(value) < 1:
        raise InputError(f"{name} must lie between 0 and 1, got {value!r}.")
    return float(value)


def check_count(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """A whole number of at least ``least``, and at most ``most`` where there is a limit.

    Raises:
        InputTypeError: Not a number.
        InputError: Not whole, or out of range.

    >>> check_count("k", 4)
    4
    """
    limits = f"of at least {least}" if most is None else f"between {least} and {most}"
    expected = f"{name} must be a whole number {limits}"
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InputTypeError(f"{expected}, got {type(value).__name__} {value!r}.")
    if not isinstance(value, Integral):
        raise InputError(f"{expected}, got {value!r}.")
    count = int(value)
    if count < least or (most is not None and count > most):
        raise InputError(f"{expected}, got {value!r}.")
    return count


def check_seed(seed: object) -> int:
    """A seed: a whole number from 0 to ``2**63 - 1``.

    Raises:
        InputTypeError: Not a number.
        InputError: Not whole, or out of range.

    >>> check_seed(7)
    7
    """
    return check_count("seed", seed, 0, _SEEDS - 1)


def check_penalty(alpha: object) -> float:
    """The strength of a penalty: a finite number of at least 0.

    Raises:
        InputTypeError: Not a number.
        InputError: Negative, infinite or NaN.

    >>> check_penalty(1)
    1.0
    """
    if not isinstance(alpha, Real) or isinstance(alpha, bool):
        raise InputTypeError(
            f"alpha must be a finite number of at least 0, got {type(alpha).__name__} {alpha!r}."
        )
    if not 0 <= float(alpha) < float("inf"):
        raise InputError(f"alpha must be a finite number of at least 0, got {alpha!r}.")
    return float(alpha)


def check_numerics(tol: object, seed: object, max_nodes: object) -> tuple[float, int, int]:
    """What every answer by nodes is asked for: its tolerance, seed and most nodes.

    Raises:
        InputTypeError: Not numbers.
        InputError: ``tol`` outside (0, 1), or a seed or number of nodes that is not whole, or is
            too small.

    >>> check_numerics(0.01, 0, 4096)
    (0.01, 0, 4096)
    """
    return check_share("tol", tol), check_seed(seed), check_count("max_nodes", max_nodes)

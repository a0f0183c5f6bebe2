"""What is said of a step that is not understood."""

from __future__ import annotations

from augmoments.errors import PolicyError


def unsupported(step: object, why: str, alternatives: str) -> PolicyError:
    """The error to raise for ``step``: what it is, why it is refused, what to do instead.

    Args:
        step: The step of another library's pipeline.
        why: The reason, a clause: "padding_mode 'reflect' is not known".
        alternatives: What would be understood, a clause: "use padding_mode='constant'".
    """
    kind = type(step)
    name = f"{kind.__module__.partition('.')[0]}'s {kind.__qualname__}"
    return PolicyError(
        f"{name} is not understood: {why}. Instead, {alternatives}, or "
        'as_policy(..., on_unsupported="monte-carlo") to sample it.'
    )

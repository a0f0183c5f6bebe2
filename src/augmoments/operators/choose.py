"""Different actions for different draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Action = Callable[[Tensor, Tensor], Tensor]
"""Takes the images of some groups and the positions of these groups."""


def choose(images: Tensor, index: Tensor, actions: Sequence[Action | None]) -> Tensor:
    """Apply ``actions[index[i]]`` to ``images[i]``; ``None`` leaves them as they are."""
    index = index.round().long()
    kinds = index.unique().tolist()
    order, parts = [], []
    for kind in kinds:
        rows, action = (index == kind).nonzero()[:, 0], actions[kind]
        part = images if len(kinds) == 1 else images[rows.to(images.device)]
        parts.append(part if action is None else action(part, rows))
        order.append(rows)
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts)[torch.cat(order).argsort().to(images.device)]

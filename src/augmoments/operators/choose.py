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
    kinds = sorted(set(index.tolist()))
    if len(kinds) == 1:
        action = actions[kinds[0]]
        return images if action is None else action(images, torch.arange(len(index)))
    order, parts = [], []
    for kind in kinds:
        rows, action = (index == kind).nonzero()[:, 0], actions[kind]
        part = images[rows.to(images.device)]
        parts.append(part if action is None else action(part, rows))
        order.append(rows)
    return torch.cat(parts)[torch.cat(order).argsort().to(images.device)]

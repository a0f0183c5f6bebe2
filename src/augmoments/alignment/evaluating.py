"""A model that is looked at in the middle of its training, and left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from augmoments.losses.models import Model


@contextmanager
def evaluating(model: Model, device: torch.device) -> Iterator[None]:
    """Evaluation mode, in full precision; afterwards all is as before.

    What is kept: the mode of every module, buffers such as running statistics, and the states of
    the random generators. Modes are set module by module, so that nothing that a model does in its
    own ``train()`` or ``eval()`` happens.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    buffers = list(model.buffers()) if isinstance(model, nn.Module) else []
    kept = [buffer.detach().clone() for buffer in buffers]
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.autocast(device.type, enabled=False):
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode
            for buffer, before in zip(buffers, kept, strict=True):
                if not torch.equal(buffer, before):
                    with torch.no_grad():
                        buffer.copy_(before)

"""An exported program as a module that takes any number of images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from augmoments.errors import ModelError

_RANDOM = ("rand", "bernoulli", "multinomial", "normal", "poisson", "exponential", "uniform")
_AGAIN = "Export it again after model.eval()."


class ExportedModel(nn.Module):
    """A ``torch.export`` program; its mode was fixed when it was exported.

    Attributes:
        batch: The batch size that the program was exported for; None if it takes any.

    Raises:
        ModelError: The program was exported in training mode, is random, or does not take one
            batch of images.
    """

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__()
        _check_deterministic(program)
        self.image_shape, self.dtype, self.batch, self.smallest = _image_input(program)
        self.program = program.module()
        self.training = False

    def train(self, mode: bool = True) -> ExportedModel:
        """Refuse training mode: exported programs cannot switch."""
        if mode:
            raise ModelError("An exported program has no training mode: its mode is fixed.")
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Outputs ``(N, K)`` of images ``(N, C, H, W)``."""
        self._check(images)
        images = images.to(self.dtype)
        if self.batch is not None:
            return torch.cat([self._filled(part, self.batch) for part in images.split(self.batch)])
        return self._filled(images, max(self.smallest, len(images)))

    def _filled(self, images: Tensor, size: int) -> Tensor:
        """The program on ``size`` images, the last one repeated where there are fewer."""
        count = len(images)
        if count < size:
            images = torch.cat([images, images[-1:].expand(size - count, *images.shape[1:])])
        out = self.program(images)
        if not isinstance(out, Tensor) or out.shape[:1] != (size,):
            found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ModelError(
                f"The exported program gave {found} for {size} images: export a model that gives "
                f"one tensor ({size}, K)."
            )
        return out[:count]

    def _check(self, images: Tensor) -> None:
        found = tuple(images.shape[1:])
        fits = len(found) == len(self.image_shape) and all(
            wanted in (None, size) for wanted, size in zip(self.image_shape, found, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if side is None else str(side) for side in self.image_shape)
            raise ModelError(
                f"The program was exported for images of shape ({wanted}), these are {found}: "
                "resize the images (--size) or export the model for their shape."
            )


def _image_input(
    program: ExportedProgram,
) -> tuple[tuple[int | None, ...], torch.dtype, int | None, int]:
    """The shape (None where any will do), dtype and batch size of the only input.

    The last number is the smallest batch that the program takes.
    """
    names = [
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT
    ]
    places = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in names]
    values = [place.meta.get("val") for place in places]
    if len(values) != 1 or not isinstance(values[0], Tensor) or values[0].ndim < 2:
        raise ModelError(
            f"The exported program takes {len(values)} inputs: export a model that takes one "
            "tensor of images (N, C, H, W)."
        )
    shape, dtype = values[0].shape, values[0].dtype
    if not dtype.is_floating_point:
        raise ModelError(f"The exported program takes {dtype} images: export it for floats.")
    batch = shape[0] if isinstance(shape[0], int) else None
    smallest = 1 if batch is not None else _lower_bound(program, shape[0])
    sides = tuple(side if isinstance(side, int) else None for side in shape[1:])
    return sides, dtype, batch, smallest


def _lower_bound(program: ExportedProgram, size: Any) -> int:
    """The least value of a dynamic dimension."""
    bounds = program.range_constraints.get(size.node.expr)
    return max(1, int(bounds.lower)) if bounds is not None else 1


def _check_deterministic(program: ExportedProgram) -> None:
    """Refuse a graph that drops out, normalises by its batch or draws random numbers."""
    found = []
    for module in program.graph_module.modules():
        graph = getattr(module, "graph", None)
        found += [] if graph is None else [_why_random(node) for node in graph.nodes]
    reasons = sorted({reason for reason in found if reason})
    if reasons:
        raise ModelError(
            f"The program was exported in training mode or is random: it has "
            f"{', '.join(reasons)}. {_AGAIN}"
        )


def _why_random(node: Any) -> str:
    if node.op != "call_function":
        return ""
    name = getattr(getattr(node.target, "overloadpacket", None), "__name__", "")
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return ""
    arguments = dict(zip((a.name for a in schema.arguments), node.args, strict=False))
    arguments.update(node.kwargs)
    training = bool(arguments.get("train") or arguments.get("training"))
    if "dropout" in name:
        return "active dropout" if training and arguments.get("p", 0.5) else ""
    if "batch_norm" in name and "no_training" not in name:
        legit = "legit_functional" in name
        return "batch normalisation by batch statistics" if training or legit else ""
    drawn = any(name.startswith(word) or f"_{word}" in name for word in _RANDOM)
    return f"the random operator {name}" if drawn else ""

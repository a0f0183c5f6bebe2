"""Tensors as a stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from augmoments.checks import check_images, check_targets
from augmoments.data.streams.base import Batch, Stream, hashed, numbered


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TensorStream(Stream):
    """Images and targets that are in memory already."""

    images: Tensor
    targets: Tensor | None

    def _read(self, start: int, stop: int) -> Batch:
        targets = None if self.targets is None else self.targets[start:stop]
        return Batch(self.images[start:stop], targets)

    def part(self, start: int, stop: int) -> Self:
        images, targets = self._read(start, stop)
        targets = None if targets is None else targets.clone()
        return replace(
            self,
            images=images.clone(),
            targets=targets,
            count=stop - start,
            first=self.first + start,
        )

    def labels(self) -> Tensor | None:
        return self.targets


def from_tensors(
    images: Tensor,
    targets: Tensor | None = None,
    classes: tuple[str, ...] = (),
    name: str = "images in memory",
) -> Stream:
    """A stream of images ``(N, C, H, W)`` and, if there are any, targets ``(N,)`` or ``(N, K)``.

    Raises:
        InputError: Images or targets that are not what was meant.
        InputTypeError: No tensors, or of a dtype that is not meant.

    >>> import torch
    >>> from_tensors(torch.rand(5, 1, 4, 4), torch.tensor([0, 1, 1, 0, 2]))
    Stream(images in memory: 5 images of shape (1, 4, 4), 3 classes)
    """
    images = check_images(images).detach().cpu().float()
    content = [images.contiguous().numpy().tobytes()]
    if targets is not None:
        targets = check_targets(targets, len(images), len(classes) or None).detach().cpu()
        content.append(targets.double().contiguous().numpy().tobytes())
    indices = targets if targets is not None and not targets.is_floating_point() else None
    count, *shape = images.shape
    return TensorStream(
        name=name,
        count=count,
        shape=tuple(shape),  # type: ignore[arg-type]
        fingerprint=hashed("tensors", tuple(images.shape), *content),
        classes=classes or numbered(indices),
        images=images,
        targets=targets,
    )

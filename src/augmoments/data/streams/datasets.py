"""PyTorch's map-style datasets as streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import Dataset

from augmoments.checks import IMAGE_DTYPES
from augmoments.data.streams.base import Batch, Stream, hashed
from augmoments.errors import DataError, InputTypeError


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class DatasetStream(Stream):
    """The items of a dataset, one by one."""

    dataset: Any

    def _read(self, start: int, stop: int) -> Batch:
        items = [_item(self.dataset, self.first + index) for index in range(start, stop)]
        for index, (image, _) in enumerate(items, start=self.first + start):
            if tuple(image.shape) != self.shape:
                raise DataError(
                    f"{self.name}: item {index} has shape {tuple(image.shape)}, the first one "
                    f"{self.shape}: resize them in the dataset."
                )
        targets = [target for _, target in items if target is not None]
        if 0 < len(targets) < len(items):
            raise DataError(f"{self.name}: some items have a target and some have none.")
        images = torch.stack([image for image, _ in items])
        return Batch(images.float(), torch.stack(targets) if targets else None)

    def part(self, start: int, stop: int) -> Self:
        return replace(self, first=self.first + start, count=stop - start)


def from_dataset(dataset: Dataset[Any] | Any, classes: tuple[str, ...] = ()) -> Stream:
    """A stream of a map-style dataset's items: images, or pairs of an image and a target.

    Images are tensors ``(C, H, W)`` in [0, 1] of one shape, the same whenever they are asked for:
    random transforms belong into the policy. Targets are whole numbers (classes), numbers or
    vectors. The fingerprint tells of the dataset's type, its length and three of its items.

    Args:
        dataset: Has ``len`` and items by their index; for several processes it can be pickled.
        classes: Names of the classes. Without them, all items are read where the number of classes
            is needed.

    Raises:
        InputTypeError: Not a map-style dataset.
        DataError: Its items are not images, or change from one reading to the next.
    """
    try:
        count = len(dataset)  # type: ignore[arg-type]
    except TypeError as error:
        raise InputTypeError(
            f"{type(dataset).__name__} has no length: a map-style dataset has, and items by index."
        ) from error
    name = type(dataset).__name__
    if count == 0:
        raise DataError(f"{name} is empty.")
    seen: list[bytes] = []
    for index in sorted({0, count // 2, count - 1}):
        seen.append(_content(dataset, index))
        if _content(dataset, index) != seen[-1]:
            raise DataError(
                f"{name} gave two different items for index {index}: leave random transforms to "
                "the policy."
            )
    shape: Any = tuple(_item(dataset, 0)[0].shape)
    return DatasetStream(
        name=name,
        count=count,
        shape=shape,
        fingerprint=hashed("dataset", type(dataset).__qualname__, count, shape, *seen),
        classes=classes,
        dataset=dataset,
    )


def _content(dataset: Any, index: int) -> bytes:
    image, target = _item(dataset, index)
    values = b"" if target is None else target.double().numpy().tobytes()
    return image.double().contiguous().numpy().tobytes() + values


def _item(dataset: Any, index: int) -> tuple[Tensor, Tensor | None]:
    """An image and its target."""
    item = dataset[index]
    image, target = item if isinstance(item, tuple | list) and len(item) == 2 else (item, None)
    name = f"{type(dataset).__name__}[{index}]"
    if not isinstance(image, Tensor) or image.dtype not in IMAGE_DTYPES or image.ndim != 3:
        found = (
            f"{image.dtype} of shape {tuple(image.shape)}"
            if isinstance(image, Tensor)
            else type(image).__name__
        )
        raise DataError(
            f"{name} has an image that is {found}: expected a float tensor (C, H, W) in [0, 1], "
            "such as v2.ToImage and v2.ToDtype(torch.float32, scale=True) make it."
        )
    if target is None:
        return image.detach().cpu(), None
    try:
        return image.detach().cpu(), torch.as_tensor(target).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{name} has a target that is {type(target).__name__}: expected a class's number, a "
            "number or a vector."
        ) from error

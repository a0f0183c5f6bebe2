"""What every entry point asks of its arguments, before anything is computed or allocated.

Each check returns its argument in the form that the rest of the library takes, or raises a typed
error that says what was found and how to fix it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.errors import InputError, InputTypeError, LawError, NotEnoughMemoryError

IMAGE_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def check_images(
    images: object, value_range: tuple[float, float] | None = (0.0, 1.0), name: str = "images"
) -> Float[Tensor, "N C H W"]:
    """Images as a floating-point batch ``(N, C, H, W)``; one image ``(C, H, W)`` becomes a batch.

    Args:
        images: What the user gave. Its dtype, device and gradients are kept.
        value_range: The closed range that the values must lie in, up to rounding; None lifts it.
        name: What the messages call it.

    Raises:
        InputTypeError: Not a dense tensor of a floating-point dtype.
        InputError: A shape, a layout or values that images do not have.

    >>> check_images(torch.rand(3, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """
    if not isinstance(images, Tensor):
        raise InputTypeError(_not_a_tensor(images, name))
    if images.layout != torch.strided:
        raise InputTypeError(
            f"{name} are a tensor of layout {images.layout}: use {name}.to_dense()."
        )
    batch = _check_layout(images, name)
    if batch.dtype not in IMAGE_DTYPES:
        raise _wrong_dtype(batch, name)
    _check_finite(batch, name)
    if value_range is not None:
        _check_range(batch, value_range, name)
    return batch


def check_targets(targets: object, n: int, classes: int | None = None) -> Tensor:
    """Targets for ``n`` images: class indices ``(n,)``, or real values ``(n,)`` or ``(n, K)``.

    Args:
        targets: What the user gave. Integers of any width come back as int64.
        n: The number of images.
        classes: The number of classes K, where it is known: targets are then indices below K, or
            probabilities ``(n, K)``.

    Raises:
        InputTypeError: Not a tensor, or of a dtype that is neither integer nor real.
        InputError: A wrong length or shape, an index out of range, NaN or Inf.

    >>> check_targets(torch.tensor([0, 2, 1], dtype=torch.uint8), 3, classes=3)
    tensor([0, 2, 1])
    """
    if not isinstance(targets, Tensor):
        raise InputTypeError(_not_a_tensor(targets, "targets", of_images=False))
    shape = tuple(targets.shape)
    if not shape or shape[0] != n:
        raise InputError(
            f"targets of shape {shape} for {n} images: one target an image, shape ({n},) or "
            f"({n}, K)."
        )
    if targets.dtype == torch.bool or targets.is_complex():
        raise InputTypeError(
            f"targets are {_dtype(targets)}: use targets.long() for class indices or "
            "targets.float() for values."
        )
    if not targets.is_floating_point():
        return _check_indices(targets, classes)
    if classes is not None and shape != (n, classes):
        raise InputError(
            f"targets are {_dtype(targets)} of shape {shape}, but the {classes} classes want "
            f"indices of shape ({n},) (use targets.long()) or probabilities ({n}, {classes})."
        )
    _check_finite(targets, "targets")
    return targets


def check_probability(p: object, name: str = "p") -> float:
    """A number in [0, 1].

    Raises:
        InputTypeError: Not a number.
        LawError: Not in [0, 1].
    """
    if isinstance(p, Tensor) and p.numel() == 1:
        p = p.item()
    if not isinstance(p, Real) or isinstance(p, bool):
        raise InputTypeError(
            f"{name} is a probability, a number in [0, 1]; got {type(p).__name__}."
        )
    value = float(p)
    if not 0.0 <= value <= 1.0:
        hint = f": for {value:g} % write {name}={value / 100:g}" if 1 < value <= 100 else ""
        raise LawError(f"{name}={value:g} is not a probability in [0, 1]{hint}.")
    return value


def check_memory(bytes_needed: float, what: str, instead: str) -> None:
    """Refuse what does not fit into the memory that the system has available now.

    Args:
        bytes_needed: The size of the result, with what it takes to compute it.
        what: What would be allocated, as in "The dense covariance of 10 images".
        instead: What to use in its place.

    Raises:
        NotEnoughMemoryError: It would not fit.
    """
    available = available_memory()
    if available is not None and bytes_needed > available:
        raise NotEnoughMemoryError(
            f"{what} needs {_gigabytes(bytes_needed)}, {_gigabytes(available)} available: "
            f"use {instead}."
        )


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping, within the limits of container and process.

    None where the system does not tell.
    """
    limits = (_system_memory(), _container_memory(), _process_memory())
    return min((size for size in limits if size is not None), default=None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name, as the end of a message: ``" (did you mean 'cat'?)"`` or nothing.

    >>> did_you_mean("astronut", ["cat", "astronaut"])
    " (did you mean 'astronaut'?)"
    """
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


def _not_a_tensor(value: object, name: str, of_images: bool = True) -> str:
    """What to say about something that is not a tensor, with the expression that makes it one."""
    kind = type(value)
    found, fix = kind.__name__, f"torch.as_tensor({name})"
    if isinstance(value, np.ndarray):
        found = f"a NumPy array of shape {value.shape}, {value.dtype}"
        fix = f"torch.from_numpy({name})" + (_from_array(value) if of_images else "")
    elif kind.__module__.startswith("PIL."):
        found = "a PIL image"
        fix = f"torch.from_numpy(numpy.array({name}))" + _from_array(np.asarray(value))
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Tensor):
        found, fix = f"a {kind.__name__} of tensors", f"torch.stack({name})"
    return f"{name} must be a torch.Tensor, got {found}: use {fix}."


def _from_array(array: np.ndarray) -> str:
    """What turns the tensor of such an array into images ``(N, C, H, W)`` or ``(C, H, W)``."""
    layout = "[None]" if array.ndim == 2 else _to_channels_first(array.shape)
    return layout + {"uint8": ".float() / 255", "bool": ".float()"}.get(str(array.dtype), "")


def _check_layout(images: Tensor, name: str) -> Tensor:
    """The batch ``(N, C, H, W)``; refuses shapes that can be read in two ways."""
    shape = tuple(images.shape)
    if len(shape) not in (3, 4):
        fixes = {
            2: f": for one gray image use {name}[None, None]",
            5: f": use {name}.flatten(0, 1)",
        }
        raise InputError(
            f"{name} of shape {shape}: expected (N, C, H, W) or (C, H, W)"
            f"{fixes.get(len(shape), '')}."
        )
    if 0 in shape:
        what = "the batch is empty" if shape[0] == 0 else "there are no pixels"
        raise InputError(f"{name} of shape {shape}: {what}.")
    permute = _to_channels_first(shape)
    if permute:
        raise InputError(
            f"{name} of shape {shape} have their channels last, expected "
            f"{'(N, C, H, W)' if len(shape) == 4 else '(C, H, W)'}: use {name}{permute}."
        )
    if len(shape) == 4:
        return images
    if shape[0] > 4:
        raise InputError(
            f"{name} of shape {shape} may be {shape[0]} gray images or one image of {shape[0]} "
            f"channels: use {name}[:, None] or {name}[None]."
        )
    return images[None]


def _to_channels_first(shape: tuple[int, ...]) -> str:
    """The ``.permute`` that brings channels to the front, or nothing where they seem to be there.

    ``(8, 3, 3)`` and ``(16, 4, 4)`` are read as square images with many channels.
    """
    if len(shape) not in (3, 4):
        return ""
    first, middle, last = shape[-3:]
    if last not in (1, 3, 4) or first <= 4 or middle == last:
        return ""
    return ".permute(0, 3, 1, 2)" if len(shape) == 4 else ".permute(2, 0, 1)"


def _wrong_dtype(images: Tensor, name: str) -> InputError | InputTypeError:
    dtype = _dtype(images)
    if images.is_complex():
        return InputTypeError(f"{name} are {dtype}: use {name}.abs() or {name}.real.")
    if images.is_floating_point() or images.dtype == torch.bool:
        return InputTypeError(f"{name} are {dtype}: use {name}.float().")
    low, high = (int(value) for value in images.double().aminmax())
    if low < 0 or high > 65535:
        fix = f"scale {name}.float() to [0, 1]"
    elif high > 255:
        fix = f"use {name}.float() / 65535"
    elif high > 1 or images.dtype == torch.uint8:
        fix = f"use {name}.float() / 255"
    else:
        fix = f"use {name}.float()"
    return InputError(
        f"{name} are {dtype} with values from {low} to {high}, expected floats in [0, 1]: {fix}."
    )


def _check_finite(values: Tensor, name: str) -> None:
    if values.detach().sum().isfinite():  # one pass that allocates nothing; an overflow looks on
        return
    bad = (~values.detach().isfinite()).nonzero()
    if not len(bad):
        return
    nan = int(values.detach().isnan().sum())
    raise InputError(
        f"{name} have {nan} NaN and {len(bad) - nan} infinite values, the first at index "
        f"{tuple(bad[0].tolist())}: remove these images or use {name}.nan_to_num()."
    )


def _check_range(images: Tensor, value_range: tuple[float, float], name: str) -> None:
    low, high = value_range
    least, most = (float(value) for value in images.detach().aminmax())
    slack = max(1e-5, torch.finfo(images.dtype).eps) * (high - low)
    if low - slack <= least and most <= high + slack:
        return
    fix = "pass value_range=None if they are normalized on purpose and the policy does not clamp"
    if (low, high) == (0.0, 1.0) and least >= 0 and 2 < most <= 255:
        fix = f"use {name} / 255"
    elif (low, high) == (0.0, 1.0) and least >= -1 and most <= 1:
        fix = f"use ({name} + 1) / 2 if they were scaled to [-1, 1], or {fix}"
    raise InputError(
        f"{name} have values from {least:.4g} to {most:.4g}, expected [{low:g}, {high:g}]: {fix}."
    )


def _check_indices(targets: Tensor, classes: int | None) -> Tensor:
    if targets.ndim != 1:
        raise InputError(
            f"targets are {_dtype(targets)} of shape {tuple(targets.shape)}, expected class "
            f"indices of shape ({len(targets)},): use targets.argmax(1) if they are one-hot, "
            "targets.float() if they are values."
        )
    indices = targets.long()
    if classes is not None:
        wrong = ((indices < 0) | (indices >= classes)).nonzero()
        if len(wrong):
            first = int(wrong[0])
            raise InputError(
                f"targets have {len(wrong)} class indices outside 0..{classes - 1}, the first is "
                f"{int(indices[first])} at index {first}: {classes} classes are known."
            )
    return indices


def _dtype(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


def _gigabytes(size: float) -> str:
    return f"{min(size, 10**300) / 1e9:.3g} GB"


def _system_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _process_memory() -> int | None:
    """What is left of the addresses that the process may take (``ulimit -v``)."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most == resource.RLIM_INFINITY:
            return None
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        return max(most - used, 0)
    except (ImportError, OSError, ValueError):
        return None


def _container_memory(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What the control group's limit leaves; cached files count as free."""
    try:
        limit = (root / "memory.max").read_text().strip()
        if limit == "max":
            return None
        used = int((root / "memory.current").read_text())
        stat = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
        return max(int(limit) - used + int(stat.get("inactive_file", 0)), 0)
    except (OSError, ValueError):
        return None

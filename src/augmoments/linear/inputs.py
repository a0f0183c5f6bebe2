"""What scikit-learn hands to an estimator, as the tensors that the rest of the library takes.

Its tools slice images and targets by index and leave them in the kind that they came in, which is
a torch tensor or a NumPy array.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.checks import check_images, check_targets
from augmoments.errors import InputError, InputTypeError, PolicyError
from augmoments.operators.base import Shape

_IN_NUMPY = {
    ".permute(": ".transpose(",
    ".float()": '.astype("float32")',
    "images.nan_to_num()": "numpy.nan_to_num(images)",
}
"""How NumPy writes what messages about tensors advise."""


def as_images(
    X: object, value_range: tuple[float, float] | None = (0.0, 1.0)
) -> Float[Tensor, "N C H W"]:
    """Images as a floating-point tensor ``(N, C, H, W)``, without gradients.

    Args:
        X: A torch tensor or a NumPy array ``(N, C, H, W)``; dtype and device are kept.
        value_range: The closed range that the values must lie in, up to rounding; None lifts it.

    Raises:
        InputTypeError: Neither a tensor nor an array, or of a dtype that images do not have.
        InputError: A shape, a layout or values that images do not have.

    >>> as_images(np.zeros((5, 1, 8, 8), dtype=np.float32)).shape
    torch.Size([5, 1, 8, 8])
    """
    if getattr(X, "ndim", None) == 2:
        raise InputError(
            f"images of shape {tuple(X.shape)}: expected (N, C, H, W); where the rows are "  # type: ignore[attr-defined]
            "flattened images, use images.reshape(-1, C, H, W)."
        )
    if not isinstance(X, np.ndarray):
        images = check_images(X, value_range)
        return images.detach()
    try:
        return check_images(_from_numpy(X, "images"), value_range)
    except (InputError, InputTypeError) as error:
        message = str(error)
        for tensor, array in _IN_NUMPY.items():
            message = message.replace(tensor, array)
        raise type(error)(message) from None


def as_single_policy(policy: Policy, shape: Shape) -> Augmentation:
    """A policy for images of ``shape`` that takes each by itself.

    Raises:
        InputTypeError: No policy.
        PolicyError: It does not take images of ``shape``, or it mixes the images of a batch.
    """
    found = as_policy(policy)
    if found.couples:
        raise PolicyError(
            f"{found} mixes the images of a batch and their targets, so that there are no "
            "augmentations of one image: use AugmentedRidgeClassifier, or leave out the mixing."
        )
    found.output_shape(shape)
    return found


def as_rows(X: object, shape: Shape | None) -> np.ndarray:
    """Images of ``shape`` as rows ``(N, D)``, float64, whatever the range of their values.

    Raises:
        InputTypeError: As for :func:`as_images`.
        InputError: The same, or images of another shape.
    """
    images = as_images(X, value_range=None)
    if tuple(images.shape[1:]) != shape:
        raise InputError(
            f"Fitted on augmented images of shape {shape}, got {tuple(images.shape[1:])}."
        )
    return images.cpu().double().flatten(1).numpy()


def as_targets(y: object, n: int) -> Tensor:
    """Real targets ``(n,)`` or ``(n, K)`` for ``n`` images, as float64.

    Args:
        y: A torch tensor, or whatever NumPy reads as an array of numbers.
        n: The number of images.

    Raises:
        InputTypeError: Not numbers.
        InputError: A wrong length or shape, NaN or Inf.

    >>> as_targets([1, 2, 4], 3)
    tensor([1., 2., 4.], dtype=torch.float64)
    """
    values = y.detach() if isinstance(y, Tensor) else _from_numpy(_array(y, "targets"), "targets")
    if values.dtype == torch.bool or values.is_complex():
        raise InputTypeError(
            f"targets are {str(values.dtype).removeprefix('torch.')}, expected real numbers; a "
            "classifier takes classes."
        )
    values = values.double()
    if values.ndim not in (1, 2) or values.numel() == 0:
        raise InputError(
            f"targets of shape {tuple(values.shape)} for {n} images: expected ({n},) or ({n}, K)."
        )
    return check_targets(values, n)


def encode_labels(y: object, n: int) -> tuple[np.ndarray, Tensor]:
    """The classes, sorted, and the index ``(n,)`` of each label among them, int64.

    Args:
        y: Whole numbers, truth values or strings ``(n,)``: a torch tensor, or whatever NumPy
            reads as such an array.
        n: The number of images.

    Raises:
        InputTypeError: Nothing that NumPy reads as an array.
        InputError: Neither whole numbers nor strings, a wrong length, or a single class.

    >>> classes, index = encode_labels(["cat", "dog", "cat"], 3)
    >>> classes.tolist(), index.tolist()
    (['cat', 'dog'], [0, 1, 0])
    """
    labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else _array(y, "labels")
    strings = labels.dtype.kind in "UT" or (
        labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels.flat)
    )
    if labels.shape != (n,) or not (strings or labels.dtype.kind in "iub"):
        raise InputError(
            f"labels must be whole numbers or strings of shape ({n},), one an image, got "
            f"{labels.dtype} of shape {labels.shape}; real targets are for a regression."
        )
    classes, index = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"There is only one class, {classes.tolist()}; give at least two.")
    return classes, torch.from_numpy(index.astype(np.int64))


def as_weights(sample_weight: object, n: int) -> Float[Tensor, "n"] | None:
    """Weights of ``n`` images, as float64; ``None`` stays what it is.

    Args:
        sample_weight: ``None``, or numbers ``(n,)`` of at least 0 that are not all 0.
        n: The number of images.

    Raises:
        InputTypeError: Not numbers.
        InputError: A wrong length, NaN, Inf, a negative weight, or no weight above 0.

    >>> as_weights([1, 0, 2], 3)
    tensor([1., 0., 2.], dtype=torch.float64)
    """
    if sample_weight is None:
        return None
    given = sample_weight
    if not isinstance(given, Tensor):
        given = _from_numpy(_array(given, "sample_weight"), "sample_weight")
    if given.is_complex():
        raise InputTypeError("sample_weight is complex, expected real numbers.")
    weights = given.detach().double()
    if tuple(weights.shape) != (n,):
        raise InputError(f"sample_weight of shape {tuple(weights.shape)}, expected ({n},).")
    wrong = (~weights.isfinite() | (weights < 0)).nonzero()
    if len(wrong):
        first = int(wrong[0])
        raise InputError(
            f"sample_weight must be finite and at least 0, got {float(weights[first]):g} at index "
            f"{first}."
        )
    if not 0 < float(weights.sum()) < float("inf"):
        raise InputError("sample_weight must have a positive, finite sum: all weights are 0.")
    return weights


def _array(values: object, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputTypeError(f"{name} cannot be read as an array: {error}") from None


def _from_numpy(array: np.ndarray, name: str) -> Tensor:
    """The array as a tensor, copied only where torch cannot read it in place."""
    if array.dtype.kind not in "fiubc":
        raise InputTypeError(f"{name} are an array of {array.dtype}, expected numbers.")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    try:
        return torch.from_numpy(array if array.flags.writeable else array.copy())
    except TypeError:
        raise InputTypeError(
            f'{name} are an array of {array.dtype}: use {name}.astype("float64").'
        ) from None

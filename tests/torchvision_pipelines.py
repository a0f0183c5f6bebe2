"""Augmentation pipelines as people publish them, in torchvision.transforms.v2.

Each function takes the side of the images that come out; windows, frames and kernels shrink with
it. The numbers are those of the papers and of their authors' code.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _kernel(size: int) -> int:
    """A tenth of the side, odd and at least 3."""
    return max(3, size // 10 // 2 * 2 + 1)


def _normalize(channels: int = 3) -> v2.Transform:
    return v2.Normalize(MEAN[:channels], STD[:channels])


def _some_jitter(*strengths: float, p: float = 0.8) -> v2.Transform:
    return v2.RandomApply([v2.ColorJitter(*strengths)], p)


def _some_blur(size: int, p: float) -> v2.Transform:
    return v2.RandomApply([v2.GaussianBlur(_kernel(size), (0.1, 2.0))], p)


def resnet(size: int = 224, channels: int = 3) -> v2.Transform:
    """The classical training recipe on ImageNet."""
    return v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(size),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            _normalize(channels),
        ]
    )


def simclr(size: int = 224, channels: int = 3) -> v2.Transform:
    """Chen et al. (2020)."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size),
            v2.RandomHorizontalFlip(),
            _some_jitter(0.8, 0.8, 0.8, 0.2),
            v2.RandomGrayscale(0.2),
            _some_blur(size, 0.5),
        ]
    )


def _byol(size: int, channels: int, blur: float, solarize: float) -> v2.Transform:
    return v2.Compose(
        [
            v2.RandomResizedCrop(size),
            v2.RandomHorizontalFlip(),
            _some_jitter(0.4, 0.4, 0.2, 0.1),
            v2.RandomGrayscale(0.2),
            _some_blur(size, blur),
            v2.RandomSolarize(0.5, solarize),
            _normalize(channels),
        ]
    )


def byol_first(size: int = 224, channels: int = 3) -> v2.Transform:
    """Grill et al. (2020), the first view: always blurred, never solarized."""
    return _byol(size, channels, 1.0, 0.0)


def byol_second(size: int = 224, channels: int = 3) -> v2.Transform:
    """Grill et al. (2020), the second view."""
    return _byol(size, channels, 0.1, 0.2)


def moco_v2(size: int = 224, channels: int = 3) -> v2.Transform:
    """Chen et al. (2020), Improved Baselines with Momentum Contrastive Learning."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.2, 1.0)),
            _some_jitter(0.4, 0.4, 0.4, 0.1),
            v2.RandomGrayscale(0.2),
            _some_blur(size, 0.5),
            v2.RandomHorizontalFlip(),
            _normalize(channels),
        ]
    )


def dino_global(size: int = 224, channels: int = 3) -> v2.Transform:
    """Caron et al. (2021), the second global crop, bicubic as there."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.4, 1.0), interpolation="bicubic"),
            v2.RandomHorizontalFlip(),
            _some_jitter(0.4, 0.4, 0.2, 0.1),
            v2.RandomGrayscale(0.2),
            _some_blur(size, 0.1),
            v2.RandomSolarize(0.5, 0.2),
            _normalize(channels),
        ]
    )


def deit(size: int = 224, channels: int = 3) -> v2.Transform:
    """Touvron et al. (2021): RandAugment, and erasing with noise after normalising."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, interpolation="bicubic"),
            v2.RandomHorizontalFlip(),
            v2.RandAugment(),
            _normalize(channels),
            v2.RandomErasing(p=0.25, value="random"),
        ]
    )


def trivial_augment(size: int = 32, channels: int = 3) -> v2.Transform:
    """Müller and Hutter (2021) on CIFAR."""
    return v2.Compose(
        [
            v2.RandomCrop(size, padding=size // 8),
            v2.RandomHorizontalFlip(),
            v2.TrivialAugmentWide(),
            _normalize(channels),
        ]
    )


def rand_augment_erasing(size: int = 32, channels: int = 3) -> v2.Transform:
    """RandAugment and random erasing."""
    return v2.Compose([v2.RandAugment(2, 9), _normalize(channels), v2.RandomErasing()])


def auto_augment_cifar(size: int = 32, channels: int = 3) -> v2.Transform:
    """Cubuk et al. (2019) on CIFAR, with its crop, flip and erasing."""
    return v2.Compose(
        [
            v2.RandomCrop(size, padding=size // 8),
            v2.RandomHorizontalFlip(),
            v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
            v2.RandomErasing(p=1.0, scale=(0.05, 0.25)),
        ]
    )


def affine_jitter(size: int = 32, channels: int = 3) -> v2.Transform:
    """All of RandomAffine, then colours."""
    return v2.Compose(
        [
            v2.RandomAffine(15, (0.1, 0.1), (0.8, 1.2), 10, interpolation="bilinear"),
            v2.ColorJitter(0.3, 0.3, 0.3),
        ]
    )


def perspective_blur(size: int = 32, channels: int = 3) -> v2.Transform:
    """A projective warp, then blur."""
    return v2.Compose([v2.RandomPerspective(0.4, p=0.7), v2.GaussianBlur(3)])


def mixed(size: int = 32, channels: int = 3) -> v2.Transform:
    """Choices, orders and coins, one inside the other."""
    return v2.Compose(
        [
            v2.RandomChoice(
                [
                    v2.RandomRotation(20, interpolation="bilinear"),
                    v2.RandomAffine(0, scale=(0.7, 1.3), interpolation="bilinear", fill=0.5),
                    v2.Identity(),
                ],
                p=[0.5, 0.3, 0.2],
            ),
            v2.RandomOrder([v2.RandomHorizontalFlip(), v2.GaussianBlur(3, 0.8), v2.Pad(1)]),
            v2.RandomApply(
                [v2.RandomInvert(1.0), v2.RandomChoice([v2.RandomVerticalFlip(0.3)])], 0.4
            ),
        ]
    )


def augmix(size: int = 32, channels: int = 3) -> v2.Transform:
    """Hendrycks et al. (2020)."""
    return v2.Compose([v2.RandomHorizontalFlip(), v2.AugMix(mixture_width=2), _normalize(channels)])


def noisy_crop(size: int = 32, channels: int = 3) -> v2.Transform:
    """Noise after a crop."""
    return v2.Compose([v2.RandomCrop(size, padding=1), v2.GaussianNoise(0.05, 0.2)])


PIPELINES: dict[str, Callable[..., v2.Transform]] = {
    function.__name__: function
    for function in (
        affine_jitter,
        augmix,
        auto_augment_cifar,
        byol_first,
        byol_second,
        deit,
        dino_global,
        mixed,
        moco_v2,
        noisy_crop,
        perspective_blur,
        rand_augment_erasing,
        resnet,
        simclr,
        trivial_augment,
    )
}
"""Functions of ``size`` and ``channels``, by name."""

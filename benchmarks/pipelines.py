"""What moments of whole pipelines cost, in random draws of the fastest library, and how true.

    python benchmarks/pipelines.py

SimCLR and a five-parameter affine map at 3x32x32, each with a reference from many more nodes; and
the mean of the classical ResNet recipe from 3x256x256 to 3x224x224. A draw is one augmented image
of torchvision or albumentations (one call each) or of kornia (one of a batch of 500), whichever
takes least time an image in the same run. float32, two threads.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import _torchvision  # noqa: F401 - lets torchvision be imported beside a CPU build of torch
import numpy as np
import torch
from skimage import data, transform
from torch import Tensor

import augmoments as am

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
BATCH = 500
TIMED = 9


def photos(side: int) -> Tensor:
    """Three photographs, cut to a square and resized."""
    found = []
    for photo in (data.astronaut(), data.coffee(), data.chelsea()):
        edge = min(photo.shape[:2])
        found.append(
            transform.resize(photo[:edge, :edge] / 255.0, (side, side), anti_aliasing=True)
        )
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float().contiguous()


def simclr() -> dict[str, Any]:
    """The same pipeline in the three libraries."""
    import albumentations as A
    import kornia.augmentation as K
    from torchvision.transforms import v2

    return {
        "torchvision": v2.Compose(
            [
                v2.RandomResizedCrop(32, (0.2, 1.0)),
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
                v2.RandomGrayscale(0.2),
            ]
        ),
        "kornia": K.AugmentationSequential(
            K.RandomResizedCrop((32, 32), scale=(0.2, 1.0)),
            K.RandomHorizontalFlip(),
            K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
        ),
        "albumentations": A.Compose(
            [
                A.RandomResizedCrop((32, 32), scale=(0.2, 1.0)),
                A.HorizontalFlip(),
                A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=0.8),
                A.ToGray(p=0.2),
            ]
        ),
    }


def affine() -> dict[str, Any]:
    """Angle, two shifts, factor and shear, bilinear."""
    import albumentations as A
    import kornia.augmentation as K
    from torchvision.transforms import InterpolationMode, v2

    return {
        "torchvision": v2.RandomAffine(
            15, (0.1, 0.1), (0.9, 1.1), 10, interpolation=InterpolationMode.BILINEAR, fill=None
        ),
        "kornia": K.RandomAffine(15.0, (0.1, 0.1), (0.9, 1.1), (-10.0, 10.0), p=1.0),
        "albumentations": A.Affine(
            scale=(0.9, 1.1),
            rotate=(-15, 15),
            shear={"x": (-10, 10), "y": (0, 0)},
            translate_percent=(-0.1, 0.1),
            p=1.0,
        ),
    }


def draw_times(pipelines: dict[str, Any], image: Tensor) -> dict[str, float]:
    """Seconds of one draw of ``image`` in each library, the median of five runs."""
    array = image.permute(1, 2, 0).contiguous().numpy()
    batch = image.expand(BATCH, *image.shape).contiguous()
    works: dict[str, Callable[[], object]] = {
        "torchvision": lambda: [pipelines["torchvision"](image) for _ in range(BATCH)],
        "kornia": lambda: pipelines["kornia"](batch),
        "albumentations": lambda: [pipelines["albumentations"](image=array) for _ in range(BATCH)],
    }
    found = {}
    for name, work in works.items():
        work()
        found[name] = statistics.median(seconds(work) for _ in range(5)) / BATCH
    return found


def seconds(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cost(name: str, pipelines: dict[str, Any], nodes: int, many: int, tol: float) -> None:
    """Print time in draws and true errors of the moments of three photographs."""
    images = photos(32)
    draws = draw_times(pipelines, images[0])
    fastest = min(draws, key=draws.__getitem__)
    policy = pipelines["torchvision"]
    truth = [am.moments(images, policy, 1e-9, seed=s, max_nodes=many) for s in (101, 102)]
    mean = sum(m.mean for m in truth) / 2
    trace = sum(m.covariance.trace() for m in truth) / 2
    covariance = sum(m.covariance.dense() for m in truth) / 2
    print(f"{name}: a draw takes " + ", ".join(f"{k} {1e6 * v:.0f} us" for k, v in draws.items()))
    batch = images.repeat(TIMED // len(images), 1, 1, 1)
    for seed in range(3):
        single, many_at_once = (
            statistics.median(
                seconds(lambda x=x, s=seed: am.moments(x, policy, tol, seed=s, max_nodes=nodes))
                for _ in range(3)
            )
            / len(x)
            for x in (images[:1], batch)
        )
        found = am.moments(images, policy, tol, seed=seed, max_nodes=nodes)
        errors = {
            "mean": (_relative(found.mean, mean), found.error.mean),
            "trace": ((found.covariance.trace() / trace - 1).abs(), found.error.trace),
            "covariance": (_relative(found.covariance.dense(), covariance), found.error.covariance),
        }
        print(
            f"  seed {seed}, {found.nodes} evaluations: {1e3 * many_at_once:.0f} ms an image in a "
            f"batch of {TIMED}, {many_at_once / draws[fastest]:.0f} draws of {fastest} (alone "
            f"{1e3 * single:.0f} ms, {single / draws[fastest]:.0f} draws); "
            + "; ".join(
                f"{what} off by {float(off.max()):.4f} (stated {float(stated.max()):.4f})"
                for what, (off, stated) in errors.items()
            )
        )


def _relative(found: Tensor, truth: Tensor) -> Tensor:
    return (found - truth).flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1)


def recipe() -> None:
    """Print build time, time an image and peak memory of the exact mean at 3x224x224."""
    from torchvision.transforms import v2

    pipeline = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip()])
    image = photos(256)[0]
    policy = am.as_policy(pipeline)
    first = seconds(lambda: am.expected_operator(policy, (3, 256, 256)) @ image)
    operator = am.expected_operator(policy, (3, 256, 256))
    further = statistics.median(seconds(lambda: operator @ image) for _ in range(5))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"ResNet recipe, exact mean at 3x224x224: first image {first:.2f} s, each further one "
        f"{further:.3f} s, peak {peak:.2f} GiB"
    )


if __name__ == "__main__":
    recipe()
    cost("SimCLR, 3x32x32", simclr(), nodes=512, many=2**14, tol=1e-2)
    cost("five-parameter affine, 3x32x32", affine(), nodes=512, many=2**12, tol=1e-2)

"""Ridge on CIFAR-sized images under a padded crop and a flip, at several numbers of images.

    python benchmarks/ridge_any_size.py

Synthetic images of 3 x 32 x 32 with the spectrum of natural ones. Prints the seconds of the Gram
pass, which grow with the number of images, and those of the policy and the solution, which do not;
and the peak of memory.
"""

from __future__ import annotations

import resource
import time
from itertools import pairwise

import _timing  # noqa: F401 - sets two threads
import torch
from torch.nn.functional import one_hot

import augmoments as am
from augmoments.calculus.dataset.ridge import RidgePath
from augmoments.calculus.reference import reference_images

ALPHA = 1e-3
COUNTS = (10_000, 20_000, 50_000)
POLICY = am.Compose([am.RandomCrop(32, padding=4), am.RandomHorizontalFlip()])


def dataset(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that are blends of smooth ones and noise, with classes at random."""
    generator = torch.Generator().manual_seed(0)
    base = reference_images((3, 32, 32)).float()
    images = torch.empty(count, 3, 32, 32)
    for part in images.split(5000):
        torch.rand(part.shape, generator=generator, out=part)
        part.mul_(0.3).add_(0.7 * base[torch.randint(len(base), (len(part),), generator=generator)])
    labels = torch.randint(10, (count,), generator=generator)
    return images.clamp_(0, 1), one_hot(labels, 10).double()


def main() -> None:
    print("images    Gram pass   policy   solution   peak memory")
    for count in COUNTS:
        images, targets = dataset(count)
        times = [time.perf_counter()]
        data = am.DatasetMoments(POLICY).update(images, targets)
        times.append(time.perf_counter())
        moments = data.moments()
        times.append(time.perf_counter())
        (solution,) = RidgePath(moments).solutions([ALPHA])
        times.append(time.perf_counter())
        passed, policy, solved = (after - before for before, after in pairwise(times))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{count:6,}   {passed:8.1f} s {policy:6.1f} s   {solved:6.1f} s   {peak:7.2f} GiB"
            f"   (weights exact to {solution.error:.0e})"
        )


if __name__ == "__main__":
    main()

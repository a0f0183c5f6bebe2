"""The exact mean of 1,000 images under rotation against one random draw of kornia.

    python benchmarks/mean_rotation.py

Both do the whole batch: ours multiplies by the expected operator (built once, the time of that
is printed too), kornia draws one angle an image and resamples. float32, bilinear.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import product
from operator import matmul

import kornia.augmentation as K
import torch
from _timing import paired

import augmoments as am
from augmoments.rules.build import _cached_expectation


def main() -> None:
    for shape, batch, reach in product([(1, 28, 28), (3, 32, 32)], [1000], [15, 30]):
        images = torch.rand(batch, *shape, generator=torch.Generator().manual_seed(0))
        policy = am.RandomRotation(reach, interpolation="bilinear")
        _cached_expectation.cache_clear()
        start = time.perf_counter()
        operator = am.expected_operator(policy, shape)
        build = time.perf_counter() - start
        draw = K.RandomRotation(float(reach), p=1.0)
        found = paired(partial(matmul, operator, images), partial(draw, images))
        print(
            f"{batch} x {shape}, U(-{reach}, {reach}), {torch.get_num_threads()} threads: mean "
            f"{1e3 * found.ours:.1f} ms, one draw of kornia {1e3 * found.peer:.1f} ms, ratio "
            f"{found.ratio:.2f} (median of {found.repeats} pairs); operator built in {build:.2f} s"
        )


if __name__ == "__main__":
    main()

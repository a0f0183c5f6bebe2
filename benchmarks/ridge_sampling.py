"""Ridge on MNIST under rotation, translation and zoom: closed form against sampled copies.

    python benchmarks/ridge_sampling.py [DIR]

DIR holds the four IDX files, AUGMOMENTS_DATA/mnist by default. Ours: fit of AugmentedRidge, with
the error that it states and its distance from a fit with a hundred times the tolerance. Sampled: n
augmented copies of each image are accumulated and solved; the error of the weights is fitted by
c n^-1/2. The time for 1% is extrapolated by that law from the time of one copy of the fastest
sampler, kornia in batches or augmoments itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from _data import mnist_folder
from _timing import paired
from torch import Tensor
from torch.nn.functional import one_hot

import augmoments as am

ALPHA = 1e-3
COPIES = (1, 2, 5, 10)
POLICY = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=(-2, 2), y=(-2, 2)),
        am.RandomZoom((0.9, 1.1)),
    ]
)


def kornia_draws() -> Callable[[Tensor], Tensor]:
    """The same three resamplings by kornia, a batch at a time."""
    import kornia.augmentation as aug

    pipeline = aug.AugmentationSequential(
        aug.RandomAffine(15.0, p=1.0),
        aug.RandomAffine(0.0, translate=(2 / 28, 2 / 28), p=1.0),
        aug.RandomAffine(0.0, scale=(0.9, 1.1), p=1.0),
    )
    return pipeline


def fit(images: Tensor, targets: Tensor, tol: float) -> am.AugmentedRidge:
    """Our fit, and nothing else."""
    return am.AugmentedRidge(POLICY, alpha=ALPHA, tol=tol).fit(images, targets)


def sampled_weights(images: Tensor, targets: Tensor, copies: int, seed: int) -> dict[int, Tensor]:
    """Ridge weights after each of :data:`COPIES` copies of every image."""
    generator = torch.Generator().manual_seed(seed)
    data = am.DatasetMoments(am.RandomTranslation())
    found = {}
    for done in range(1, copies + 1):
        for x, y in zip(images.split(10_000), targets.split(10_000), strict=True):
            data.update(POLICY(x, generator=generator).clamp(0, 1), y)
        if done in COPIES:
            found[done] = data.solve(ALPHA).coef
    return found


def distance(found: Tensor | np.ndarray, truth: Tensor) -> float:
    """Relative error in Frobenius norm."""
    return float((torch.as_tensor(found) - truth).norm() / truth.norm())


def main() -> None:
    images, labels = am.data.mnist(mnist_folder())
    targets = one_hot(labels, 10).double()
    truth = torch.from_numpy(fit(images, targets, 1e-5).coef_)
    start = time.perf_counter()
    model = fit(images, targets, 1e-3)
    seconds = time.perf_counter() - start
    off = distance(model.coef_, truth)
    print(
        f"closed form, {len(images):,} images, {torch.get_num_threads()} threads: {seconds:.1f} s, "
        f"weights within {model.error_:.2%} as stated, off by {off:.2%} from a finer fit"
    )
    errors = {n: distance(w, truth) for n, w in sampled_weights(images, targets, 10, 0).items()}
    constant = float(np.exp(np.mean([np.log(e * n**0.5) for n, e in errors.items()])))
    print("copies   error of the weights   c n^-1/2")
    for n, error in errors.items():
        print(f"{n:6}   {error:20.1%}   {constant / n**0.5:8.1%}")
    needed = (constant / 0.01) ** 2
    print(f"1% of the weights by sampling, extrapolated by this law: {needed:,.0f} copies of each")
    batch = images[:1000]
    kornia, generator = kornia_draws(), torch.Generator().manual_seed(0)

    def gram(draws: Tensor) -> Tensor:
        rows = draws.flatten(1).double()
        return rows.T @ rows

    found = paired(lambda: gram(kornia(batch)), lambda: gram(POLICY(batch, generator=generator)), 7)
    batches = len(images) / len(batch)
    sampling = needed * batches * min(found.ours, found.peer)
    print(
        f"one copy of each: kornia {found.ours * batches:.1f} s, augmoments "
        f"{found.peer * batches:.1f} s; so 1% takes {sampling / 3600:.1f} hours by sampling, "
        f"{sampling / seconds:,.0f} times the closed form"
    )


if __name__ == "__main__":
    main()

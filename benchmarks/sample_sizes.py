"""Is the error observed with the n that samples_needed returns the error asked for?

    python benchmarks/sample_sizes.py

A 28 x 28 photo under rotation U(-30, 30) and translation U(-3, 3)^2; 60 repetitions each.
"""

from __future__ import annotations

import torch

import augmoments as am

REPETITIONS = 60


def observed(image: torch.Tensor, policy: am.Augmentation, of: str, n: int) -> float:
    """Root-mean-square relative error over the repetitions, against the library's own moments."""
    m = am.moments(image, policy, tol=1e-4)
    mean, root = m.mean.flatten(), m.covariance.root()[0]
    truth = root @ root.T
    generator = torch.Generator().manual_seed(1)
    squares = []
    for _ in range(REPETITIONS):
        draws = policy(image.expand(n, -1, -1, -1), generator=generator).flatten(1)
        if of == "mean":
            squares.append(((draws.mean(0) - mean).norm() / mean.norm()) ** 2)
        else:
            squares.append(((torch.cov(draws.T) - truth).norm() / truth.norm()) ** 2)
    return float(torch.stack(squares).mean().sqrt())


def main() -> None:
    image = am.data.photo("camera", size=28).double()
    policies = {
        "rotation U(-30, 30)": am.RandomRotation(30, interpolation="bilinear"),
        "translation U(-3, 3)^2": am.RandomTranslation(x=(-3, 3), y=(-3, 3)),
    }
    for name, policy in policies.items():
        for of, asked in (("mean", 0.05), ("covariance", 0.20)):
            n = int(am.samples_needed(image, policy, of=of, rel_error=asked).n)
            got = observed(image, policy, of, n)
            print(
                f"{name}, {of} to {asked:.0%}: n = {n}, observed {got:.2%} over {REPETITIONS} "
                f"repetitions, {got / asked:.2f} of what was asked"
            )


if __name__ == "__main__":
    main()

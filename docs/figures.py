"""Draw the picture of the README: what a policy does to two images.

python docs/figures.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch

import augmoments as am

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TITLES = (
    "image",
    "a draw",
    "another draw",
    "exact mean",
    "standard deviation",
    "1st direction",
    "2nd direction",
    "3rd direction",
)


def panels(image: torch.Tensor, policy: am.Augmentation) -> list[torch.Tensor]:
    m = am.moments(image, policy)
    generator = torch.Generator().manual_seed(4)
    draws = [policy(image, generator=generator)[0] for _ in range(2)]
    vectors = m.covariance.eigh(3).vectors[0]
    deviation = m.covariance.diagonal()[0].sqrt()
    return [image[0], *draws, m.mean[0], deviation / deviation.max(), *vectors]


def draw(path: Path) -> None:
    policy = am.Compose(
        [
            am.RandomRotation(15, interpolation="bilinear"),
            am.RandomTranslation(x=am.Uniform(-4, 4), y=am.Uniform(-4, 4)),
        ]
    )
    gentle = am.Compose(
        [
            am.RandomRotation(15, interpolation="bilinear"),
            am.RandomTranslation(x=am.Uniform(-1, 1), y=am.Uniform(-1, 1)),
        ]
    )
    rows = [
        panels(am.data.photo("astronaut", size=64), policy),
        panels(am.data.digits()[0][3:4], gentle),
    ]
    figure, axes = plt.subplots(2, len(TITLES), figsize=(12, 3.5), layout="constrained")
    for row, line in zip(rows, axes, strict=True):
        for position, (values, axis) in enumerate(zip(row, line, strict=True)):
            shown = values.permute(1, 2, 0)
            if position >= 5:
                flat = values.mean(0)
                reach = float(flat.abs().max())
                axis.imshow(flat, cmap="RdBu_r", vmin=-reach, vmax=reach)
            else:
                axis.imshow(shown.clamp(0, 1).squeeze(-1), cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
    for title, axis in zip(TITLES, axes[0], strict=True):
        axis.set_title(title, fontsize=10)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(Path(__file__).parent / "_static" / "moments.png")

"""A linear probe on invariant projections against one on principal components.

    python benchmarks/projection_probe.py [--data DIR]

DIR holds mnist/ and cifar10/, AUGMOMENTS_DATA by default. Both maps are fitted to all training
images without their labels, and their features have unit variance. scikit-learn's logistic
regression on the features of plain training images, with few labels or with all, is tested on plain
test images and on one draw of the policy for each.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import augmoments as am
from augmoments.linear.projection import InvariantProjection

FEW = 1000
COMPONENTS = (8, 16, 32, 64)
MNIST = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-2, 2), y=am.Uniform(-2, 2)),
    ]
)
CIFAR = am.Compose(
    [
        am.RandomCrop(32, padding=4),
        am.RandomHorizontalFlip(),
        am.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, clamp=False),
    ]
)


def mnist(root: Path) -> tuple[torch.Tensor, ...]:
    train, labels = am.data.mnist(root / "mnist")
    test, unseen = am.data.mnist(root / "mnist", "test")
    return train, labels, test, unseen


def cifar(root: Path) -> tuple[torch.Tensor, ...]:
    with np.load(root / "cifar10" / "cifar10_10000_2000.npz") as file:
        arrays = {name: torch.from_numpy(file[name]) for name in ("x_train", "x_test")}
        labels = [torch.from_numpy(file[name].astype(int)) for name in ("y_train", "y_test")]
    train, test = (arrays[name].permute(0, 3, 1, 2).float() / 255 for name in arrays)
    return train, labels[0], test, labels[1]


def features(map_: PCA | InvariantProjection, images: torch.Tensor) -> np.ndarray:
    if isinstance(map_, PCA):
        return map_.transform(images.flatten(1).double().numpy())
    return map_.transform(images)


def compare(name: str, policy: am.Compose, data: tuple[torch.Tensor, ...]) -> None:
    train, labels, test, unseen = data
    most = max(COMPONENTS)
    start = time.perf_counter()
    ours = InvariantProjection(policy, most).fit(train)
    seconds = time.perf_counter() - start
    peer = PCA(most, whiten=True, svd_solver="covariance_eigh")
    peer.fit(train.flatten(1).double().numpy())
    drawn = policy(test, generator=torch.Generator().manual_seed(0))
    print(f"\n{name}: {len(train):,} images, fit {seconds:.1f} s, method {ours.method_}, ", end="")
    print(f"error of eigenvalues {ours.error_:.1e}; eigenvalues ", end="")
    print(", ".join(f"{ours.eigenvalues_[k - 1]:.3f} ({k})" for k in COMPONENTS))
    print("| components | labels | PCA, plain | ours, plain | PCA, augmented | ours, augmented |")
    print("| --- | --- | --- | --- | --- | --- |")
    sets = [[features(map_, x) for x in (train, test, drawn)] for map_ in (peer, ours)]
    for k in COMPONENTS:
        for count in (FEW, len(train)):
            cells = []
            for seen, plain, augmented in sets:
                probe = LogisticRegression(max_iter=1000)
                probe.fit(seen[:count, :k], labels[:count])
                cells.append([probe.score(x[:, :k], unseen) for x in (plain, augmented)])
            shown = " | ".join(f"{cells[i][j]:.1%}" for j in (0, 1) for i in (0, 1))
            print(f"| {k} | {count:,} | {shown} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("AUGMOMENTS_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the data sets")
    root = parser.parse_args().data
    for name, folder, policy, read in (
        ("MNIST", "mnist", MNIST, mnist),
        ("CIFAR-10 subset", "cifar10", CIFAR, cifar),
    ):
        if (root / folder).is_dir():
            compare(name, policy, read(root))
        else:
            print(f"skipped: no {root / folder}; name its parent by --data or AUGMOMENTS_DATA")


if __name__ == "__main__":
    main()

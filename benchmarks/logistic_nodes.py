"""How far the weights of logistic regression are from those of infinitely many samples.

    python benchmarks/logistic_nodes.py

200 digits under rotation and translation. Ours: medians over seeds of the distance to a fit with
2,048 nodes an image, and of the bound that the model states. Draws: scikit-learn's logistic
regression on as many random augmented copies of each image.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import augmoments as am
from augmoments.linear.logistic import AugmentedLogisticRegression

ALPHA = 1e-3
POLICY = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-1, 1), y=am.Uniform(-1, 1)),
    ]
)


def on_draws(images: torch.Tensor, labels: torch.Tensor, copies: int, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    draws = [POLICY(images, generator=generator).flatten(1).numpy() for _ in range(copies)]
    rows = np.concatenate(draws)
    model = LogisticRegression(C=1 / (2 * ALPHA * len(rows)), tol=1e-6, max_iter=5000)
    return model.fit(rows, np.tile(labels.numpy(), copies)).coef_


def main(nodes: tuple[int, ...] = (128, 256, 512)) -> None:
    images, labels = (part[:200] for part in am.data.digits())
    fine = AugmentedLogisticRegression(POLICY, ALPHA, nodes=2048, seed=99).fit(images, labels)
    print(f"reference: stated error {fine.error_:.1e}")
    print("| nodes or draws | ours | stated bound | draws |")
    print("| --- | --- | --- | --- |")
    for count in nodes:
        fits = [
            AugmentedLogisticRegression(POLICY, ALPHA, nodes=count, seed=seed).fit(images, labels)
            for seed in range(3)
        ]
        drawn = [on_draws(images, labels, count, seed) for seed in range(3)]
        ours, theirs = (
            np.median([np.linalg.norm(coef - fine.coef_) for coef in coefs])
            / np.linalg.norm(fine.coef_)
            for coefs in ([fit.coef_ for fit in fits], drawn)
        )
        bound = np.median([fit.error_ for fit in fits])
        print(f"| {count} | {ours:.1%} | {bound:.1%} | {theirs:.1%} |", flush=True)


if __name__ == "__main__":
    main()

r"""
How many draws until it is right?
=================================

The error of an average of n draws is known before anything is drawn: it follows from the trace of
the covariance for the mean, and from the fourth moment for the covariance. Draws then do what was
predicted.
"""

import matplotlib.pyplot as plt
import torch

import augmoments as am

image = am.data.photo("cat", size=24)
policy = am.Compose(
    [
        am.RandomRotation(20, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-2, 2)),
    ]
)
sizes = {of: am.samples_needed(image, policy, of=of) for of in ("mean", "covariance")}
for of, size in sizes.items():
    print(f"{of} to 1%: {int(size.n):,} draws, ± {float(size.error):.1e} of them")

# %%
# Twenty times over, averages of 10, 30, 100 and 300 draws, against the exact moments.

m = am.moments(image, policy)
truth = {"mean": m.mean[0].flatten(), "covariance": m.covariance.dense()[0]}
generator = torch.Generator().manual_seed(0)
numbers, repetitions = (10, 30, 100, 300), 20
errors = {of: torch.empty(len(numbers), repetitions) for of in truth}
for i, n in enumerate(numbers):
    for j in range(repetitions):
        draws = policy(image.expand(n, -1, -1, -1), generator=generator).flatten(1)
        found = {"mean": draws.mean(0), "covariance": draws.T.cov()}
        for of, exact in truth.items():
            errors[of][i, j] = (found[of] - exact).norm() / exact.norm()

figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
for (of, size), colour, marker in zip(sizes.items(), ("C0", "C1"), "os", strict=True):
    grid = torch.logspace(1, 5.5, 60).round()
    predicted = torch.cat([size.predicted_error(int(n)) for n in grid])
    axis.loglog(grid, predicted, color=colour, label=f"{of}, predicted")
    observed = errors[of].square().mean(1).sqrt()
    axis.loglog(numbers, observed, marker, color=colour, label=f"{of}, observed")
    axis.annotate(
        f"{int(size.n):,} draws",
        (float(size.n), 0.01),
        xytext=(0, 22),
        textcoords="offset points",
        ha="center",
        arrowprops={"arrowstyle": "->", "color": colour},
    )
axis.axhline(0.01, color="0.6", linewidth=1, linestyle=":")
axis.set(xlabel="draws of the image", ylabel="relative error")
axis.legend(frameon=False)
plt.show()

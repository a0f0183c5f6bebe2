r"""
The mean that draws tend to
===========================

A photo, turned by a random angle. The mean of all versions is a plain image, and so is the standard
deviation of each pixel. Averages of draws come near to both, slowly; here both are known at once,
so that the error of the averages is known, too.
"""

import matplotlib.pyplot as plt
import torch

import augmoments as am

image = am.data.photo("astronaut", size=48)
policy = am.RandomRotation(30, interpolation="bilinear")

m = am.moments(image, policy)
mean, deviation = m.mean[0], m.covariance.diagonal()[0].sqrt()
print(m)

# %%
# The mean is exact: an integral over the angle, solved piece by piece between the angles at which a
# source point crosses the pixel grid. Draws have an error that falls like one over the square root
# of their number.

generator = torch.Generator().manual_seed(0)
draws = policy(image.expand(1000, -1, -1, -1), generator=generator)
sampled = {n: (draws[:n].mean(0), draws[:n].std(0)) for n in (10, 100, 1000)}

figure, axes = plt.subplots(2, 5, figsize=(10, 4.4), layout="constrained")
columns = {"exact": (mean, deviation)} | {f"{n:,} draws": pair for n, pair in sampled.items()}
for axis, (title, pair) in zip(axes.T[1:], columns.items(), strict=True):
    for row, values in enumerate(pair):
        known = (mean, deviation)[row]
        off = float((values - known).norm() / known.norm())
        shown = values / (1 if row == 0 else float(deviation.max()))
        axis[row].imshow(shown.clamp(0, 1).permute(1, 2, 0).numpy())
        axis[row].set_xlabel(f"off by {off:.1%}" if off else "")
    axis[0].set_title(title)
for row, name in enumerate(("mean", "standard deviation")):
    axes[row, 0].imshow((image[0], draws[0])[row].permute(1, 2, 0).numpy())
    axes[row, 0].set_xlabel(("the image", "a draw")[row])
    axes[row, 1].set_ylabel(name)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
plt.show()

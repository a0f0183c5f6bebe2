r"""
Which strength?
===============

A linear classifier trained on infinitely many shifted digits has a closed form, at every strength.
So the curve has no sampling noise, and takes seconds: few images like stronger shifts than many.
"""

import matplotlib.pyplot as plt
import torch

import augmoments as am

images, labels = am.data.digits()
order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
held = (images[order[800:]], labels[order[800:]])
shift = am.RandomTranslation(x=am.Uniform(-1, 1), y=am.Uniform(-0.5, 0.5))
strengths = [0, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 1.75, 2]

# %%
# One pass over the images serves all strengths.

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for count, marker in ((50, "o"), (200, "s"), (800, "D")):
    train = (images[order[:count]], labels[order[:count]])
    curve = am.strength_curve(*train, shift, strengths, validation=held, alpha=0.01)
    (line,) = axis.plot(strengths, 100 * curve.score, marker=marker, label=f"{count} images")
    best = curve.best
    axis.plot(best.strength, 100 * best.score, "*", color=line.get_color(), markersize=16)
axis.set(xlabel="strength (1: one pixel along x, half a pixel along y)", ylabel="accuracy, %")
axis.legend(frameon=False)
plt.show()

r"""
What does each step of a recipe contribute?
===========================================

A pipeline of torchvision goes in as it is. ``explain`` says by which route the moments of each step
are found, and which share of the variance it brings: *alone*, with all other steps at rest, and
*beyond*, what goes away without it.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torchvision.transforms import v2

import augmoments as am

recipe = v2.Compose(
    [
        v2.RandomCrop(24, padding=3),
        v2.RandomHorizontalFlip(),
        v2.RandomRotation(10, interpolation=v2.InterpolationMode.BILINEAR, fill=None),
        v2.RandomErasing(p=0.25),
        v2.RandomGrayscale(p=0.2),
    ]
)
photos = torch.cat([am.data.photo(name, size=24) for name in ("astronaut", "cat", "coffee")])
table = am.as_policy(recipe).explain(photos)
for row in table.rows:
    print(f"{row.step:21}{row.route:10}{'exact' if row.exact else 'nodes'}")

# %%
# The crop with padding, which looks harmless, is most of it; the grayscale does next to nothing.
# The shares alone do not sum to 100%, because steps interact. The rotation even takes variance away
# beyond the others: bilinear interpolation smooths what the crop moves, and turning loses the
# corners.

names = [row.step for row in table.rows]
height = np.arange(len(names))
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
axis.barh(height - 0.2, [100 * row.alone for row in table.rows], 0.38, label="alone")
axis.barh(height + 0.2, [100 * row.beyond for row in table.rows], 0.38, label="beyond the others")
axis.set_yticks(height, names)
axis.invert_yaxis()
axis.axvline(0, color="0.4", linewidth=0.8)
axis.set_xlabel("share of the variance, %")
axis.legend(frameon=False, loc="lower right")
plt.show()

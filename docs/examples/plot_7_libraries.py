r"""
Rotation by 15 degrees, in two libraries
========================================

The same words in torchvision and kornia are two augmentations. Their mean images are exact, so that
the difference between them is theirs, and not that of some draws.
"""

import kornia.augmentation as K
import matplotlib.pyplot as plt
from torchvision.transforms import v2

import augmoments as am

photo = am.data.photo("coffee", size=48).double()
pairs = {
    "as written": (v2.RandomRotation(15), K.RandomRotation(15.0)),
    "both always, both bilinear": (
        v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR),
        K.RandomRotation(15.0, p=1.0),
    ),
    "and plain zeros outside": (
        v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR, fill=None),
        K.RandomRotation(15.0, p=1.0),
    ),
}

# %%
# kornia turns every second image only, and interpolates where torchvision takes the nearest pixel.
# With both set alike, a rim is left: torchvision attenuates what it fills at the border twice.
# Without a fill value the two agree to rounding.

figure, axes = plt.subplots(3, 3, figsize=(8, 7.6), layout="constrained")
for row, (name, (first, second)) in zip(axes, pairs.items(), strict=True):
    means = [
        am.expected_operator(am.as_policy(p), photo.shape[1:]) @ photo for p in (first, second)
    ]
    gap = (means[0] - means[1])[0].mean(0)
    off = float((means[0] - means[1]).norm() / means[0].norm())
    print(f"{name}: mean images differ by {off:.1e}")
    for axis, mean, library in zip(row, means, ("torchvision", "kornia"), strict=False):
        axis.imshow(mean[0].clamp(0, 1).permute(1, 2, 0).numpy())
        axis.set_title(f"{library}, exact mean", fontsize=10)
    shown = row[2].imshow(gap.numpy(), cmap="RdBu_r", vmin=-0.06, vmax=0.06)
    row[2].set_title(f"difference: {off:.1%}", fontsize=10)
    row[0].set_ylabel(name)
    for axis in row:
        axis.set(xticks=[], yticks=[])
figure.colorbar(shown, ax=axes[:, 2], shrink=0.5, label="torchvision − kornia, mean of channels")
plt.show()

r"""
Directions in which a policy moves an image
===========================================

The eigenvectors of the covariance are images themselves: the directions along which the policy
moves *this* image, and the eigenvalues are the variances along them. Walking along one of them from
the mean shows what it is about: turning, moving, brightening.
"""

import matplotlib.pyplot as plt

import augmoments as am

image = am.data.digits()[0][3:4]
policy = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-0.5, 0.5), y=am.Uniform(-0.5, 0.5)),
        am.ColorJitter(brightness=0.3, clamp=False),
    ]
)
m = am.moments(image, policy)
values, vectors, off = m.covariance.eigh(4)
share = values[0] / m.covariance.trace()[0]
print([f"{float(s):.0%}" for s in share])

# %%
# Four directions carry most of the variance of the 64 pixels. Columns in between are the mean plus
# so many standard deviations of the direction.

steps = (-2, -1, 0, 1, 2)
figure, axes = plt.subplots(4, 6, figsize=(8, 5.6), layout="constrained")
for row, axis in enumerate(axes):
    direction = vectors[0, row, 0]
    reach = float(direction.abs().max())
    axis[0].imshow(direction.numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach)
    axis[0].set_ylabel(f"{float(share[row]):.0%}", rotation=0, ha="right", va="center")
    for c, place in zip(steps, axis[1:], strict=True):
        moved = m.mean[0, 0] + c * values[0, row].sqrt() * direction
        place.imshow(moved.numpy(), cmap="gray", vmin=0, vmax=1)
        if row == 0:
            place.set_title("mean" if c == 0 else f"{c:+d} σ")
    axis[0].set(xticks=[], yticks=[])
    for place in axis[1:]:
        place.set_axis_off()
axes[0, 0].set_title("direction")
plt.show()

r"""
Does training with an augmentation turn the gradient away from it?
==================================================================

To first order the variance of a loss is :math:`g^\top V g`, with the saliency :math:`g` at the mean
image and the covariance :math:`V` of the augmented image. The ratio
:math:`g^\top V g / (\lambda_1 \|g\|^2)` is 1 where the saliency points along the leading direction
of the augmentation, and 0 where it is indifferent to it. Two small networks, one of which saw the
augmentation.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import augmoments as am

images, labels = am.data.digits()
policy = am.RandomRotation(25, interpolation="bilinear")
generator = torch.Generator().manual_seed(0)


def trained(augmented):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(400):
        index = torch.randint(len(images), (128,), generator=generator)
        batch = policy(images[index], generator=generator) if augmented else images[index]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), labels[index]).backward()
        optimizer.step()
    return model.eval()


# %%
# Figures of 64 images together; single images scatter.

names = ("without", "with")
found = [
    am.sensitivity(trained(name == "with"), "cross_entropy", images[:64], labels[:64], policy, k=8)
    for name in names
]
for name, s in zip(names, found, strict=True):
    pooled = s.pooled()
    print(f"trained {name} rotation: ratio {pooled.ratio:.3f}, at random {pooled.isotropic:.3f}")

figure, axes = plt.subplots(1, 5, figsize=(12, 2.8), width_ratios=[1, 1, 1, 1, 1.8])
vectors = am.moments(images[3:4], policy).covariance.eigh(2).vectors[0, :, 0]
pictures = {
    "1st direction": vectors[0],
    "2nd direction": vectors[1],
    "saliency, without": found[0].saliency[3, 0],
    "saliency, with": found[1].saliency[3, 0],
}
for axis, (title, picture) in zip(axes, pictures.items(), strict=False):
    reach = float(picture.abs().max())
    axis.imshow(picture.numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach)
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
places = np.arange(1, 9)
for shift, name, s in zip((-0.2, 0.2), names, found, strict=True):
    energy = 100 * np.array(s.pooled().alignment)
    axes[4].bar(places + shift, energy, 0.38, label=f"trained {name}")
axes[4].axhline(100 / 64, color="0.4", linestyle=":", label="a direction at random")
axes[4].set(xlabel="direction", ylabel="energy of the saliency, %", xticks=places)
axes[4].legend(frameon=False)
figure.tight_layout()
plt.show()

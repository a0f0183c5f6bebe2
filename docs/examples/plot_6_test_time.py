r"""
The limit of test-time augmentation
===================================

Averaging a model's prediction over random versions of an image tends to a limit. It is an
integral, so it can be had without the noise of passes, and with it the accuracy to expect after 1,
2, 4, ... passes. Real passes scatter about that curve.
"""

import matplotlib.pyplot as plt
import torch

import augmoments as am

images, labels = am.data.digits()
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(100):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(images[:1000]), labels[:1000]).backward()
    optimizer.step()
model.eval()

test, classes = images[1000:1200], labels[1000:1200]
policy = am.RandomTranslation(x=(-0.7, 0.7), y=(-0.7, 0.7))
passes = (1, 2, 4, 8, 16, 32)
found = am.tta(model, test, policy, classes, passes=passes)
print(found.summary())

# %%
# Five runs with real passes, each image with draws of its own.

generator = torch.Generator().manual_seed(0)
runs = torch.empty(5, len(passes))
for run in range(5):
    with torch.no_grad():
        drawn = policy(test.repeat_interleave(passes[-1], 0), generator=generator)
        outputs = model(drawn).softmax(1).reshape(len(test), passes[-1], 10)
    for i, n in enumerate(passes):
        runs[run, i] = (outputs[:, :n].mean(1).argmax(1) == classes).float().mean()

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.semilogx(passes, 100 * runs.T, "o", color="C1", alpha=0.6, label="real passes, five runs")
axis.semilogx(passes, 100 * found.passes_accuracy, color="C0", label="expected")
axis.axhline(100 * found.accuracy, color="C0", linestyle="--", label="limit")
axis.axhline(100 * found.plain_accuracy, color="0.5", linestyle=":", label="no augmentation")
axis.set_xticks(passes, passes)
axis.minorticks_off()
axis.set(xlabel="passes of each image", ylabel="accuracy, %", ylim=(None, 100))
handles, names = axis.get_legend_handles_labels()
chosen = dict(zip(names, handles, strict=True))
axis.legend(chosen.values(), chosen.keys(), frameon=False)
plt.show()

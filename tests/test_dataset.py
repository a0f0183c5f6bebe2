"""Moments of whole augmented datasets, against enumeration, sampling and NumPy."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import one_hot

import augmoments as am
from augmoments.errors import DataError, InputError, PolicyError

SHAPE = (1, 5, 4)
FLIP = am.RandomHorizontalFlip(0.3)
CLAMPED = am.ColorJitter(brightness=(0.5, 1.8))
AFFINE = am.RandomAffine(20, translate=(0.1, 0.1), scale=(0.8, 1.2), interpolation="bilinear")


def data(n=12, shape=SHAPE, outputs=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, *shape, generator=generator, dtype=torch.float64)
    return images, torch.randn(n, outputs, generator=generator, dtype=torch.float64)


def accumulated(policy, images, targets=None, **options):
    return am.DatasetMoments(policy, **options).update(images, targets)


def weighted_moments(rows, weights):
    """Mean and covariance of rows in NumPy."""
    rows, weights = np.asarray(rows), np.asarray(weights) / np.sum(weights)
    mean = weights @ rows
    gaps = rows - mean
    return mean, gaps.T @ (weights[:, None] * gaps)


def assert_moments(found, rows, weights, size):
    mean, covariance = weighted_moments(rows, weights)
    np.testing.assert_allclose(found.mean.flatten(), mean[:size], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.target_mean, mean[size:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance[:size, :size], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.cross, covariance[:size, size:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        found.target_covariance, covariance[size:, size:], rtol=0, atol=1e-12
    )


def pairs(images, targets):
    """Every image with every other one, as rows of pixels and of targets."""
    x, y = images.flatten(1).numpy(), targets.numpy()
    for n in range(len(x)):
        for j in range(len(x)):
            if n != j:
                yield x[n], x[j], y[n], y[j]


def test_mixup_is_the_average_over_all_pairs():
    images, targets = data(6)
    points, weights = np.polynomial.legendre.leggauss(8)  # Beta(2, 2) has density 6 s (1 - s)
    shares, weights = (points + 1) / 2, weights / 2
    weights = 6 * shares * (1 - shares) * weights
    rows, masses = [], []
    for x, other, y, z in pairs(images, targets):
        for share, weight in zip(shares, weights, strict=True):
            rows.append(np.r_[(1 - share) * x + share * other, (1 - share) * y + share * z])
            masses.append(weight)
    found = accumulated(am.MixUp(alpha=2.0), images, targets).moments()
    assert found.method == "exact"
    assert_moments(found, rows, masses, 20)


@pytest.mark.parametrize("around", [False, True])
def test_cutmix_is_the_average_over_all_pairs_and_boxes(around):
    images, targets = data(4, (2, 3, 3))
    cutmix = am.CutMix(alpha=0.7)
    boxes, weights = cutmix.law_for((2, 3, 3)).atoms()
    flip, shift = am.RandomHorizontalFlip(1.0), am.RandomTranslation(x=1.0)
    before = flip(images) if around else images
    rows, masses = [], []
    for x, other, y, z in pairs(before, targets):
        for (top, left, tall, wide), weight in zip(boxes.astype(int), weights, strict=True):
            mixed = x.reshape(2, 3, 3).copy()
            where = np.s_[:, top : top + tall, left : left + wide]
            mixed[where] = other.reshape(2, 3, 3)[where]
            if around:
                mixed = shift(torch.from_numpy(mixed)).numpy()
            share = tall * wide / 9
            rows.append(np.r_[mixed.ravel(), (1 - share) * y + share * z])
            masses.append(weight)
    policy = am.Compose([flip, cutmix, shift]) if around else cutmix
    found = accumulated(policy, images, targets).moments()
    assert_moments(found, rows, masses, 18)


def test_mixing_after_a_random_step_tells_between_from_within():
    """Partners are other images, so that two augmentations of one image are never blended."""
    images, targets = data(3)
    rows, masses = [], []
    shares, weights = np.polynomial.legendre.leggauss(3)
    for n, j in [(n, j) for n in range(3) for j in range(3) if n != j]:
        for p, x in ((0.7, images[n]), (0.3, images[n].flip(-1))):
            for q, z in ((0.7, images[j]), (0.3, images[j].flip(-1))):
                for share, weight in zip((shares + 1) / 2, weights / 2, strict=True):
                    image = (1 - share) * x + share * z
                    label = (1 - share) * targets[n] + share * targets[j]
                    rows.append(np.r_[image.flatten().numpy(), label.numpy()])
                    masses.append(p * q * weight)
    found = accumulated(am.Compose([FLIP, am.MixUp()]), images, targets).moments()
    assert_moments(found, rows, masses, 20)


@pytest.mark.parametrize(
    "make",
    [
        lambda v2: [v2.MixUp(num_classes=3)],
        lambda v2: [v2.CutMix(num_classes=3)],
        lambda v2: [
            v2.RandomChoice([v2.CutMix(num_classes=3), v2.MixUp(alpha=0.4, num_classes=3)])
        ],
    ],
    ids=["MixUp", "CutMix", "RandomChoice"],
)
def test_mixing_of_shuffled_batches_of_torchvision(make):
    """4,000 shuffled batches, every entry of the moments within 5 standard errors of torchvision's.

    Of some 700 entries the largest z-score is expected at about 3.2.
    """
    v2 = pytest.importorskip("torchvision.transforms.v2")
    images, _ = data(6, (1, 4, 4))
    labels = torch.tensor([0, 1, 2, 0, 1, 1])
    policy = make(v2)[0]
    found = accumulated(policy, images, one_hot(labels, 3).double()).moments()
    torch.manual_seed(0)
    rows = []
    for _ in range(4000):
        order = torch.randperm(6)
        x, y = policy(images[order], labels[order])
        rows.append(torch.cat([x.flatten(1), y.double()], 1))
    rows = torch.stack(rows)
    truth = torch.cat([found.mean.flatten(), found.target_mean])
    gaps = rows - truth
    squares = torch.einsum("bni,bnj->bij", gaps, gaps) / 6  # by batch, which are independent
    expected = torch.cat(
        [
            torch.cat([found.covariance, found.cross], 1),
            torch.cat([found.cross.T, found.target_covariance], 1),
        ]
    )
    errors = squares.std(0) / 4000**0.5
    z = (squares.mean(0) - expected).abs() / errors.clamp_min(1e-12)
    assert float(z.max()) < 5


def test_within_is_the_mean_covariance_of_an_image():
    images, _ = data()
    for policy in (
        am.Compose([am.RandomTranslation(x=(-1, 1)), FLIP]),
        am.Compose([CLAMPED, am.RandomTranslation(y=(-1, 1))]),
        am.Compose([am.RandomRotation(20, interpolation="bilinear"), am.GaussianNoise(clip=False)]),
        am.RandomErasing(0.6),
    ):
        found = accumulated(policy, images, tol=1e-5).moments()
        single = am.moments(images, policy, 1e-5).covariance.dense().mean(0)
        off = float((found.within - single).norm() / single.norm())
        assert off < 1e-4 + found.error
    with pytest.raises(PolicyError, match="mixes"):
        _ = accumulated(am.MixUp(), images).moments().within


def test_joint_laws_act_on_the_moments_within_their_stated_error():
    images, targets = data(20, (1, 6, 6))
    rough = accumulated(AFFINE, images, targets, tol=1e-2, seed=1).moments()
    fine = accumulated(AFFINE, images, targets, tol=1e-6, max_nodes=2**13, seed=2).moments()
    assert rough.method == "quasi-monte-carlo"
    off = float((rough.covariance - fine.covariance).norm() / fine.covariance.norm())
    assert 0 < off <= rough.error <= 1e-2
    per_image = am.moments(images, AFFINE, 3e-3, seed=3)
    between = torch.cov(per_image.mean.flatten(1).T, correction=0)
    meant = between + per_image.covariance.dense().mean(0)
    assert float((fine.covariance - meant).norm() / meant.norm()) < 5e-3


@pytest.mark.parametrize(
    "policy",
    [
        am.Compose([CLAMPED, am.RandomTranslation(x=(-1, 1))]),
        am.Compose([am.ColorJitter(brightness=0.8, contrast=0.5), FLIP]),
        am.Compose([AFFINE, am.RandomShear(x=(-10, 10))]),
        am.Compose([am.RandomRotation(30, interpolation="bilinear"), CLAMPED]),
    ],
    ids=["grid", "replicates", "affine replicates", "rotation in the head"],
)
def test_weights_lie_within_their_stated_error(policy):
    images, targets = data(30, (1, 6, 6))
    truth = accumulated(policy, images, targets, tol=1e-6, nodes=2**12, max_nodes=2**12, seed=99)
    coef = truth.solve(1e-2).coef
    for seed in range(4):
        found = accumulated(policy, images, targets, nodes=128, seed=seed, tol=1e-2).solve(1e-2)
        off = float((found.coef - coef).norm() / coef.norm())
        assert 1e-9 < off <= found.error < 0.5


@pytest.mark.parametrize("policy", [FLIP, am.Compose([CLAMPED, FLIP]), AFFINE], ids=str)
def test_weights_are_repetitions(policy):
    images, targets = data(5)
    counts = torch.tensor([1, 0, 3, 2, 1])
    weighted = am.DatasetMoments(policy).update(images, targets, counts).solve(1e-2)
    index = torch.arange(5).repeat_interleave(counts)
    repeated = accumulated(policy, images[index], targets[index]).solve(1e-2)
    torch.testing.assert_close(weighted.coef, repeated.coef, rtol=1e-9, atol=1e-11)
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 12), min_size=2, max_size=2).map(sorted),
    clamped=st.booleans(),
    weighted=st.booleans(),
)
def test_merging_is_associative(cuts, clamped, weighted):
    images, targets = data()
    weights = torch.linspace(0, 2, 12, dtype=torch.float64) if weighted else None
    policy = am.Compose([CLAMPED, FLIP]) if clamped else FLIP

    def part(start, stop):
        found = am.DatasetMoments(policy)
        if start == stop:
            return found
        own = None if weights is None else weights[start:stop]
        return found.update(images[start:stop], targets[start:stop], own)

    a, b = cuts
    left = part(0, a).merge(part(a, b)).merge(part(b, 12)).moments()
    right = part(0, a).merge(part(a, b).merge(part(b, 12))).moments()
    whole = part(0, 12).moments()
    for other in (left, right):
        torch.testing.assert_close(other.covariance, whole.covariance, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(other.cross, whole.cross, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cut", [16, 21])
def test_parts_that_know_their_place_add_up_to_the_whole(cut):
    """Scrambled nodes belong to the places of the images in the dataset."""
    images, targets = data(40)
    policy = am.ColorJitter(brightness=0.8, contrast=0.5)
    whole = accumulated(policy, images, targets, nodes=128).moments()
    parts = accumulated(policy, images[:cut], targets[:cut], nodes=128)
    rest = am.DatasetMoments(policy, nodes=128, first=cut).update(images[cut:], targets[cut:])
    found = parts.merge(rest).moments()
    assert whole.method == "quasi-monte-carlo"
    torch.testing.assert_close(found.covariance, whole.covariance, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("policy", [FLIP, am.Compose([CLAMPED, FLIP])], ids=["affine", "clamped"])
def test_saved_sums_are_loaded_bit_by_bit(policy, tmp_path):
    images, targets = data()
    half = accumulated(policy, images[:6], targets[:6])
    half.save(tmp_path / "half.safetensors")
    whole = half.update(images[6:], targets[6:]).moments()
    loaded = am.DatasetMoments.load(tmp_path / "half.safetensors", policy)
    assert loaded.count == 6
    again = pickle.loads(pickle.dumps(loaded))
    for resumed in (loaded, again):
        found = resumed.update(images[6:], targets[6:]).moments()
        assert torch.equal(found.covariance, whole.covariance)
        assert torch.equal(found.cross, whole.cross)


def test_files_that_do_not_belong_are_refused(tmp_path):
    images, targets = data()
    path = tmp_path / "sums.safetensors"
    accumulated(FLIP, images, targets).save(path)
    for policy, options in ((am.RandomVerticalFlip(), {}), (FLIP, {"seed": 1})):
        with pytest.raises(DataError, match="another policy, seed"):
            am.DatasetMoments.load(path, policy, **options)
    with pytest.raises(DataError, match="does not exist"):
        am.DatasetMoments.load(tmp_path / "none", FLIP)
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:20], b"", b"not a file of tensors at all"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            am.DatasetMoments.load(path, FLIP)
    with pytest.raises(InputError, match="nothing to save"):
        am.DatasetMoments(FLIP).save(path)


def test_another_policy_without_another_pass():
    images, targets = data()
    shift = am.RandomTranslation(x=(-1, 1))
    found = accumulated(FLIP, images, targets).with_policy(shift).moments()
    meant = accumulated(shift, images, targets).moments()
    torch.testing.assert_close(found.covariance, meant.covariance, rtol=0, atol=1e-14)
    with pytest.raises(PolicyError, match="not affine"):
        accumulated(FLIP, images, targets).with_policy(CLAMPED)


def test_bad_input_is_refused():
    images, targets = data()
    with pytest.raises(InputError, match="nodes"):
        accumulated(CLAMPED, images, targets, nodes=16)
    with pytest.raises(InputError, match="tol"):
        am.DatasetMoments(FLIP, tol=0.0)
    with pytest.raises(InputError, match="weights"):
        am.DatasetMoments(FLIP).update(images, targets, -torch.ones(12))
    with pytest.raises(PolicyError, match="weights"):
        am.DatasetMoments(am.MixUp()).update(images, targets, torch.ones(12))
    with pytest.raises(InputError, match="no targets"):
        accumulated(FLIP, images).solve(1.0)
    with pytest.raises(PolicyError, match="twice"):
        accumulated(am.Compose([am.MixUp(), am.CutMix()]), images, targets)
    with pytest.raises(PolicyError, match="not affine"):
        accumulated(am.Compose([am.MixUp(), CLAMPED]), images, targets)
    with pytest.raises(InputError, match="Cannot merge"):
        accumulated(CLAMPED, images, targets).merge(
            accumulated(CLAMPED, images, targets, nodes=128)
        )

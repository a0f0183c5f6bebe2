"""MixUp and CutMix against torchvision: actions, moments of images and labels."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import roots_jacobi

import augmoments as am
from augmoments.augmentations.erasing import RandomErasing
from augmoments.augmentations.mixing import CutMix, MixUp
from augmoments.augmentations.mixing_choice import as_mixing
from augmoments.calculus import blend
from augmoments.calculus.expected_operator import expected_operator
from augmoments.calculus.mixing import MixedPlan, label_moments, mix, solve_mixing
from augmoments.calculus.plan import Plan
from augmoments.calculus.solve import solve
from augmoments.calculus.state import FactorState, propagate
from augmoments.errors import InputError, LawError, PolicyError
from augmoments.laws.mixing import cutmix_law
from augmoments.rules.fields import box_field

v2 = pytest.importorskip("torchvision.transforms.v2")

SHAPE = (2, 4, 5)
CLASSES = 3
LABELS = torch.tensor([0, 2, 1])
CLOSE = {"rtol": 0, "atol": 1e-12}
PREFIX = am.Compose(
    [
        am.RandomTranslation(x=am.Discrete([-1, 0, 2], [0.2, 0.5, 0.3])),
        am.RandomHorizontalFlip(0.3),
    ]
)


def images(generator, n=3, shape=SHAPE):
    return torch.rand(n, *shape, generator=generator, dtype=torch.float64)


def prefix_state(batch, policy=PREFIX):
    """Means and covariances of independent random images."""
    return solve(batch, Plan.of(policy, tuple(batch.shape[1:]), 0, 4096, 2**27), 1e-3).state


def one_hot(labels):
    """In float64, in which torchvision then mixes them."""
    return torch.nn.functional.one_hot(labels, CLASSES).double()


def torchvision_mixup(batch, labels, lam):
    params = {"labels": labels, "batch_size": len(batch), "lam": lam}
    transform = v2.MixUp(num_classes=CLASSES)
    return transform.transform(batch, params), transform._mixup_label(one_hot(labels), lam=lam)


def torchvision_cutmix(batch, labels, box):
    top, left, height, width = (int(b) for b in box)
    corners = (left, top, left + width, top + height)
    lam = 1 - height * width / (batch.shape[-1] * batch.shape[-2])
    params = {"labels": labels, "batch_size": len(batch), "box": corners, "lam_adjusted": lam}
    transform = v2.CutMix(num_classes=CLASSES)
    return transform.transform(batch, params), transform._mixup_label(one_hot(labels), lam=lam)


def mixup_nodes(alpha):
    """Gauss-Jacobi nodes of lambda, exact for polynomials of degree 7."""
    points, weights = roots_jacobi(4, alpha - 1, alpha - 1)
    return (points + 1) / 2, weights / weights.sum()


def outcomes(alpha, name, batch, labels):
    """Weights, blends and labels by torchvision for all outcomes of one mixing."""
    if name == "MixUp":
        points, weights = mixup_nodes(alpha)
        pairs = [torchvision_mixup(batch, labels, lam) for lam in points]
    else:
        points, weights = cutmix_law(*batch.shape[-2:], alpha).atoms()
        pairs = [torchvision_cutmix(batch, labels, box) for box in points]
    return (torch.from_numpy(weights), *(torch.stack(part) for part in zip(*pairs, strict=True)))


def brute_force(weights, mixed, labels):
    """Moments of images and labels ``(K, N, ...)`` from all outcomes with their weights."""
    y, t = mixed.flatten(2), labels.to(mixed)
    mean, label = (torch.einsum("k,kni->ni", weights, z) for z in (y, t))
    covariance = torch.einsum("k,kni,knj->nij", weights, y - mean, y - mean)
    spread = torch.einsum("k,kni,knj->nij", weights, t - label, t - label)
    cross = torch.einsum("k,kni,knj->nij", weights, t, y)
    return mean, covariance, label, spread, cross


MIXINGS = [
    pytest.param(kind, alpha, id=f"{kind.__name__}-{alpha}")
    for kind, alpha in product((MixUp, CutMix), (1.0, 0.3, 2.5))
]


@pytest.mark.parametrize(("kind", "alpha"), MIXINGS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_draws_do_what_torchvision_does(kind, alpha, dtype, generator):
    policy = kind(alpha=alpha, num_classes=CLASSES)
    batch = images(generator).to(dtype)
    theta = policy.draw(SHAPE, 20, generator)
    ours = policy.apply(batch.expand(20, *batch.shape), theta)
    soft = policy.soft_labels(LABELS, 3)
    shares = policy.shares(theta, SHAPE)[:, None, None]
    labels = (1 - shares) * soft + shares * soft.roll(1, 0)
    reference = torchvision_mixup if kind is MixUp else torchvision_cutmix
    rows = theta[:, 0].tolist() if kind is MixUp else theta
    theirs, their_labels = zip(*(reference(batch, LABELS, row) for row in rows), strict=True)
    atol = 1e-12 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(ours, torch.stack(theirs), rtol=0, atol=atol)
    torch.testing.assert_close(labels, torch.stack(their_labels), **CLOSE)


@pytest.mark.parametrize(("kind", "alpha"), MIXINGS)
@pytest.mark.parametrize("n", [2, 3])
def test_moments_of_given_images_are_those_of_all_outcomes(kind, alpha, n, generator):
    batch, labels = images(generator, n), LABELS[:n]
    policy = kind(alpha=alpha, num_classes=CLASSES)
    found = solve_mixing(FactorState.certain(batch, 1e-15), policy, 1e-3, 64)
    truth = brute_force(*outcomes(alpha, kind.__name__, batch, labels))
    of_labels = label_moments(policy, labels, batch)
    assert not found.errors.mean.any()
    torch.testing.assert_close(found.state.mean.flatten(1), truth[0], **CLOSE)
    torch.testing.assert_close(found.state.covariance.dense(), truth[1], **CLOSE)
    torch.testing.assert_close(of_labels.mean, truth[2], **CLOSE)
    torch.testing.assert_close(of_labels.covariance, truth[3], **CLOSE)
    torch.testing.assert_close(of_labels.cross.flatten(2), truth[4], **CLOSE)


def _all_outcomes_with_prefix(kind, alpha, batch, labels):
    """Every outcome for the last image: its prefix, that of the image before it, and the mixing."""
    points, weights = (torch.from_numpy(part) for part in PREFIX.atoms(SHAPE))
    moved = PREFIX.apply(batch.expand(len(points), *batch.shape), points)
    parts = []
    for i, j in product(range(len(points)), repeat=2):
        pair = torch.stack([moved[i, -2], moved[j, -1]])
        share, mixed, soft = outcomes(alpha, kind.__name__, pair, labels[-2:])
        parts.append((weights[i] * weights[j] * share, mixed[:, 1:], soft[:, 1:]))
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


@pytest.mark.parametrize(("kind", "alpha"), [(MixUp, 0.7), (CutMix, 1.0)])
def test_moments_after_random_steps_are_those_of_all_outcomes(kind, alpha, generator):
    batch = images(generator)
    policy = kind(alpha=alpha, num_classes=CLASSES)
    state = prefix_state(batch)
    found = solve_mixing(state, policy, 1e-3, 64).state
    truth = brute_force(*_all_outcomes_with_prefix(kind, alpha, batch, LABELS))
    of_labels = label_moments(policy, LABELS, state.mean)
    torch.testing.assert_close(found.mean[-1:].flatten(1), truth[0], **CLOSE)
    torch.testing.assert_close(found.covariance.dense()[-1:], truth[1], **CLOSE)
    torch.testing.assert_close(of_labels.mean[-1:], truth[2], **CLOSE)
    torch.testing.assert_close(of_labels.covariance[-1:], truth[3], **CLOSE)
    torch.testing.assert_close(of_labels.cross[-1:].flatten(2), truth[4], **CLOSE)


def test_cross_moments_move_through_affine_steps(generator):
    batch = images(generator)
    policy = CutMix(num_classes=CLASSES)
    tail = am.Compose([am.Normalize(0.4, 0.25), am.RandomHorizontalFlip(0.2)])
    moved = label_moments(policy, LABELS, batch).through(expected_operator(tail, SHAPE))
    weights, mixed, labels = outcomes(1.0, "CutMix", batch, LABELS)
    parts = []
    for share, mirrored in ((0.8, False), (0.2, True)):
        normalized = (mixed - 0.4) / 0.25
        parts.append((share * weights, normalized.flip(-1) if mirrored else normalized, labels))
    truth = brute_force(*(torch.cat(part) for part in zip(*parts, strict=True)))
    torch.testing.assert_close(moved.cross.flatten(2), truth[4], **CLOSE)
    torch.testing.assert_close(moved.mean, truth[2], **CLOSE)


class TestPlan:
    tail = am.Compose([am.Normalize(0.4, 0.25), am.RandomHorizontalFlip(0.2)])

    def plan(self, *steps):
        return MixedPlan.of(am.Compose(steps), SHAPE, 0, 4096, 2**27)

    def test_a_policy_is_cut_where_it_mixes(self, generator):
        batch, policy = images(generator), CutMix(alpha=1.0, num_classes=CLASSES)
        plan = self.plan(PREFIX, policy, self.tail)
        before = solve(batch, plan.before, 1e-3)
        found = plan.solve(before, 1e-3)
        weights, mixed, labels = _all_outcomes_with_prefix(CutMix, 1.0, batch, LABELS)
        normalized = (mixed - 0.4) / 0.25
        truth = brute_force(
            torch.cat([0.8 * weights, 0.2 * weights]),
            torch.cat([normalized, normalized.flip(-1)]),
            torch.cat([labels, labels]),
        )
        of_labels = plan.label_moments(LABELS, before.state.mean)
        assert (plan.method, plan.mean_method) == ("exact", "exact")
        torch.testing.assert_close(found.state.mean[-1:].flatten(1), truth[0], **CLOSE)
        covariance = found.state.covariance.dense()[-1:]
        torch.testing.assert_close(covariance, truth[1], rtol=0, atol=1e-11)
        torch.testing.assert_close(of_labels.mean[-1:], truth[2], **CLOSE)
        torch.testing.assert_close(of_labels.cross[-1:].flatten(2), truth[4], **CLOSE)

    def test_nodes_of_a_step_afterwards_are_doubled(self, generator):
        batch = images(generator)
        plan = self.plan(MixUp(), am.RandomRotation(20, interpolation="bilinear"))
        found = plan.solve(solve(batch, plan.before, 1e-3), 1e-3)
        state = solve_mixing(FactorState.certain(batch, 1e-9), MixUp(), 1e-3, 64).state
        fine = propagate(plan.after.rule(4096), state)
        assert (plan.method, plan.mean_method) == ("cubature", "exact")
        truth = fine.covariance.dense()
        error = (found.state.covariance.dense() - truth).flatten(1).norm(dim=1)
        assert (error <= found.errors.covariance * truth.flatten(1).norm(dim=1)).all()
        assert (found.errors.covariance < 2e-3).all()
        torch.testing.assert_close(found.state.mean, fine.mean, rtol=0, atol=1e-12)

    def test_other_policies_are_left_alone(self):
        assert self.plan(PREFIX) is None

    def test_what_is_not_known_is_refused(self):
        with pytest.raises(PolicyError, match="twice"):
            self.plan(MixUp(), CutMix())
        with pytest.raises(PolicyError, match="follows a step that mixes"):
            self.plan(MixUp(), am.ColorJitter(brightness=0.5))
        with pytest.raises(PolicyError, match="mixes the images of a batch"):
            self.plan(am.RandomApply([MixUp(), am.RandomHorizontalFlip()]), CutMix())


def by_formula(covariance, gap, mean, second):
    """``E[(1-B)(1-B)^T] V_n + E[B B^T] V_(n-1) + Cov[B] gap gap^T``, elementwise."""
    rest = 1 - mean[:, None] - mean[None] + second
    between = (second - torch.outer(mean, mean)) * gap[:, :, None] * gap[:, None]
    return rest * covariance + second * covariance.roll(1, 0) + between


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_noise_of_the_images_is_mixed_pixel_by_pixel(kind, generator):
    batch = images(generator)
    noisy = am.Compose([am.RandomHorizontalFlip(), RandomErasing(0.6, value="random")])
    state = prefix_state(batch, noisy)
    assert state.noise is not None
    if kind is MixUp:
        points, weights = mixup_nodes(1.0)
        share = torch.from_numpy(1 - points)[:, None].expand(-1, 40)
    else:
        law = cutmix_law(4, 5)
        _, weights = law.atoms()
        share = _masks(law).repeat(1, 2)
    weights = torch.from_numpy(weights)
    second = torch.einsum("k,kp,kq->pq", weights, share, share)
    truth = by_formula(
        state.covariance.dense(),
        (state.mean.roll(1, 0) - state.mean).flatten(1),
        weights @ share,
        second,
    )
    found = solve_mixing(state, kind(), 1e-3, 64).state
    torch.testing.assert_close(found.covariance.dense(), truth, **CLOSE)


def _masks(law):
    """Covered pixels ``(K, HW)`` of all boxes, one by one."""
    masks = torch.zeros(int(law.count), *law.image, dtype=torch.float64)
    for mask, (top, left, height, width) in zip(masks, law.atoms().points.astype(int), strict=True):
        mask[top : top + height, left : left + width] = 1
    return masks.flatten(1)


@pytest.mark.parametrize("rank", [2, 7, 60])
def test_dense_covariances_and_columns_agree(rank, generator, monkeypatch):
    field = box_field(cutmix_law(3, 4), 1)
    factor = torch.randn(3, rank, 2, 3, 4, generator=generator, dtype=torch.float64)
    batch = images(generator, 3, (2, 3, 4))
    state = FactorState(batch, factor, torch.zeros(3, dtype=torch.float64), 1e-15)
    found = mix(state, field).covariance.dense()
    monkeypatch.setattr(blend, "_DENSE_FROM", torch.inf)
    torch.testing.assert_close(mix(state, field).covariance.dense(), found, rtol=0, atol=1e-11)


@pytest.mark.parametrize("channels", [1, 2])
def test_gradients_flow_through_dense_covariances(channels, generator):
    """Those of singular matrices (equal channels) too."""
    field = box_field(cutmix_law(3, 3), 1)
    base = torch.randn(2, 4, 1, 3, 3, generator=generator, dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    probe = torch.randn(9 * channels, generator=generator, dtype=torch.float64)

    def energy(factor):
        wide = factor.expand(-1, -1, channels, -1, -1)
        state = FactorState(torch.zeros(2, channels, 3, 3).double(), wide, zero, 1e-15)
        return mix(state, field).covariance @ probe.expand(2, -1)

    base.requires_grad_()
    assert torch.autograd.gradcheck(energy, (base,), eps=1e-6, atol=1e-5)


def test_a_batch_of_one_image_stays_as_it_is(generator):
    batch = images(generator, 1)
    state = prefix_state(batch)
    for policy in (MixUp(num_classes=2), CutMix(num_classes=2)):
        found = solve_mixing(state, policy, 1e-3, 64).state
        torch.testing.assert_close(found.covariance.dense(), state.covariance.dense())
        mixed, labels = policy.mix(batch, torch.tensor([1]), generator)
        torch.testing.assert_close(mixed, batch)
        torch.testing.assert_close(policy(batch[0], generator), batch[0])
        torch.testing.assert_close(labels, torch.tensor([[0.0, 1.0]]))
        of_labels = label_moments(policy, torch.tensor([1]), state.mean)
        assert not of_labels.covariance.any()
        torch.testing.assert_close(of_labels.cross[:, 1], state.mean)


class TestChoice:
    policy = am.RandomApply(
        am.RandomChoice([MixUp(alpha=0.6, num_classes=CLASSES), CutMix(alpha=2.0)], [0.3, 0.7]), 0.8
    )

    def test_moments_are_those_of_all_outcomes(self, generator):
        batch = images(generator)
        mixing = as_mixing(self.policy)
        soft = mixing.soft_labels(LABELS, 3).double()
        parts = [(torch.tensor([0.2], dtype=torch.float64), batch[None], soft[None])]
        for share, alpha, name in ((0.24, 0.6, "MixUp"), (0.56, 2.0, "CutMix")):
            weights, mixed, labels = outcomes(alpha, name, batch, LABELS)
            parts.append((share * weights, mixed, labels.double()))
        truth = brute_force(*(torch.cat(part) for part in zip(*parts, strict=True)))
        found = solve_mixing(FactorState.certain(batch, 1e-15), mixing, 1e-3, 64).state
        of_labels = label_moments(mixing, LABELS, batch)
        torch.testing.assert_close(found.mean.flatten(1), truth[0], **CLOSE)
        torch.testing.assert_close(found.covariance.dense(), truth[1], **CLOSE)
        torch.testing.assert_close(of_labels.mean, truth[2], **CLOSE)
        torch.testing.assert_close(of_labels.covariance, truth[3], **CLOSE)
        torch.testing.assert_close(of_labels.cross.flatten(2), truth[4], **CLOSE)

    def test_draws_are_made_once_for_the_batch(self, generator):
        mixing = as_mixing(self.policy)
        batch = images(generator)
        theta = mixing.draw(SHAPE, 40, generator)
        ours = mixing.apply(batch.expand(40, *batch.shape), theta)
        kinds = theta[:, 0].long().tolist()
        assert set(kinds) == {0, 1}
        for row, mixed, share in zip(theta, ours, mixing.shares(theta, SHAPE), strict=True):
            inner = row[1:]
            if row[0] == 0:
                expected, weight = batch, 0.0
            elif inner[0] == 0:
                expected, _ = torchvision_mixup(batch, LABELS, float(inner[1]))
                weight = 1 - inner[1]
            else:
                expected, _ = torchvision_cutmix(batch, LABELS, inner[2:])
                weight = inner[4] * inner[5] / 20
            torch.testing.assert_close(mixed, expected, **CLOSE)
            assert float(share) == pytest.approx(float(weight), abs=1e-15)

    def test_what_is_no_mixing_is_told_apart(self):
        assert as_mixing(PREFIX) is None
        assert as_mixing(am.RandomChoice([PREFIX, am.RandomHorizontalFlip()])) is None
        with pytest.raises(PolicyError, match="choose between mixings only"):
            as_mixing(am.RandomChoice([PREFIX, MixUp()]))
        with pytest.raises(PolicyError, match="disagree on num_classes"):
            as_mixing(am.RandomChoice([CutMix(num_classes=2), MixUp(num_classes=3)]))

    def test_rows_name_every_branch(self):
        steps = [row.step for row in as_mixing(self.policy).rows(SHAPE)]
        assert steps == ["MixingChoice", "MixingChoice", "MixUp", "CutMix"]


def check_draws(transform, mixing, batch, draws, generator):
    """Projections of blends, labels and their products by torchvision fit the exact moments.

    Images are mirrored at random one by one before they are mixed. The z-scores of all means and
    products of six projections and the labels stay below 5.
    """
    n, size = len(batch), batch[0].numel()
    state = prefix_state(batch, am.RandomHorizontalFlip())
    found = solve_mixing(state, mixing, 1e-3, 64).state
    of_labels = label_moments(mixing, LABELS, state.mean)
    rows = torch.randn(6, size, generator=generator, dtype=torch.float64) / size**0.5
    seen = torch.empty(draws, n, 6 + CLASSES, dtype=torch.float64)
    coins = torch.rand(draws, n, 1, 1, 1, generator=generator) < 0.5
    torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
    for k in range(draws):
        prefixed = torch.where(coins[k], batch.flip(-1), batch)
        mixed, labels = transform(prefixed, LABELS)
        seen[k] = torch.cat([mixed.flatten(1) @ rows.T, labels.double()], 1)
    mean = torch.cat([found.mean.flatten(1) @ rows.T, of_labels.mean], 1)
    projected = rows @ found.covariance.dense() @ rows.T
    projected = projected + mean[:, :6, None] * mean[:, None, :6]
    cross = of_labels.cross.flatten(2) @ rows.T
    labels = of_labels.covariance + of_labels.mean[:, :, None] * of_labels.mean[:, None]
    second = torch.cat([torch.cat([projected, cross.mT], 2), torch.cat([cross, labels], 2)], 1)
    products = seen[..., None] * seen[..., None, :]
    scores = []
    for sample, truth in ((seen, mean), (products, second)):
        error, deviation = sample.mean(0) - truth, sample.std(0)
        still = deviation < 1e-6
        assert float(error[still].abs().amax() if still.any() else 0) < 1e-6
        scores.append((error / (deviation / draws**0.5))[~still].abs().max())
    assert max(map(float, scores)) < 5, f"largest z-scores {scores}"


TRANSFORMS = {
    "MixUp": (v2.MixUp(alpha=0.5, num_classes=CLASSES), MixUp(alpha=0.5, num_classes=CLASSES)),
    "CutMix": (v2.CutMix(alpha=1.5, num_classes=CLASSES), CutMix(alpha=1.5, num_classes=CLASSES)),
    "either": (
        v2.RandomChoice([v2.MixUp(num_classes=CLASSES), v2.CutMix(num_classes=CLASSES)]),
        as_mixing(am.RandomChoice([MixUp(num_classes=CLASSES), CutMix()])),
    ),
}


@pytest.mark.parametrize(
    "draws", [5000, pytest.param(60_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize("name", TRANSFORMS)
def test_draws_of_torchvision_fit_the_moments(name, draws, generator):
    transform, mixing = TRANSFORMS[name]
    check_draws(transform, mixing, images(generator, 3, (2, 7, 6)), draws, generator)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_lambda_follows_the_law_that_torchvision_draws_from(alpha, generator):
    torch.manual_seed(int(1000 * alpha))
    transform, ours = v2.MixUp(alpha=alpha, num_classes=2), MixUp(alpha=alpha)
    theirs = np.array([transform.make_params([])["lam"] for _ in range(5000)])
    drawn = ours.draw(SHAPE, 5000, generator)[:, 0].numpy()
    cells = ours.law.ppf(np.linspace(0, 1, 21))[1:-1]
    for sample in (theirs, drawn):
        counts = np.bincount(np.searchsorted(cells, sample), minlength=20)
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_own_batches_fit_the_moments(kind, generator):
    mixing = kind(num_classes=CLASSES)

    def transform(batch, labels):
        return mixing.mix(batch, labels, generator)

    check_draws(transform, mixing, images(generator, 3, (1, 5, 5)), 4000, generator)


def test_large_images_have_an_exact_mean_and_a_covariance_to_the_error_stated(generator):
    batch = images(generator, 2, (1, 41, 40))
    law = cutmix_law(41, 40)
    found = solve_mixing(FactorState.certain(batch, 1e-9), CutMix(), 0.05, 1024)
    mean = torch.from_numpy(law.coverage())
    gap = batch.roll(1, 0) - batch
    torch.testing.assert_close(found.state.mean, batch + mean * gap, **CLOSE)
    flat = gap.flatten(1)
    second = torch.from_numpy(law.joint_coverage())
    truth = (
        (second - torch.outer(mean.flatten(), mean.flatten())) * flat[:, :, None] * flat[:, None]
    )
    error = (found.state.covariance.dense() - truth).flatten(1).norm(dim=1)
    error = error / truth.flatten(1).norm(dim=1)
    assert (error <= found.errors.covariance).all()
    assert (found.errors.covariance <= 0.05).all()
    trace = truth.diagonal(dim1=1, dim2=2).sum(1)
    assert ((found.state.covariance.trace() / trace - 1).abs() <= found.errors.trace).all()


class TestRefusals:
    def test_impossible_arguments(self):
        with pytest.raises(LawError, match="alpha must be positive"):
            MixUp(alpha=0)
        with pytest.raises(InputError, match="num_classes must be a positive whole number"):
            CutMix(num_classes=0)
        with pytest.raises(TypeError):
            MixUp(1.0)  # pyright: ignore[reportCallIssue]

    def test_labels_that_do_not_fit(self, generator):
        batch = images(generator)
        with pytest.raises(InputError, match="need num_classes"):
            MixUp().mix(batch, LABELS)
        with pytest.raises(InputError, match="class indices outside"):
            MixUp(num_classes=2).mix(batch, LABELS)
        with pytest.raises(InputError, match="one target an image"):
            MixUp(num_classes=3).mix(batch, LABELS[:2])
        with pytest.raises(InputError, match="3 classes"):
            label_moments(CutMix(num_classes=3), torch.rand(3, 4), batch)

    def test_soft_labels_need_no_number_of_classes(self, generator):
        soft = torch.rand(3, 4, generator=generator)
        _, labels = CutMix().mix(images(generator), soft, generator)
        assert labels.shape == (3, 4)
        torch.testing.assert_close(labels.sum(), soft.sum())

    @pytest.mark.parametrize("policy", [MixUp(), CutMix()])
    def test_one_image_has_no_moments(self, policy, generator):
        for attempt in (
            lambda: policy.rule(SHAPE, 1),
            lambda: policy.jointly(SHAPE),
            lambda: policy.outcomes(SHAPE),
            lambda: policy.apply(images(generator)[:, None], policy.draw(SHAPE, 3)),
        ):
            with pytest.raises(PolicyError, match="mixes the images of a batch"):
                attempt()

"""Sensitivity against closed forms, enumeration by hand, and draws of torchvision's pipelines."""

import itertools
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.alignment import radial_energy, sensitivity
from augmoments.errors import InputError, NotEnoughMemoryError

SHAPE = (1, 6, 6)
LABELS = torch.tensor([0, 1, 2, 0])


def images(n=4, shape=SHAPE, dtype=torch.float64, seed=0):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def linear_model(shape=SHAPE, outputs=3):
    torch.manual_seed(0)
    size = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(size, outputs)).double().eval()


def network(shape=SHAPE, outputs=3):
    torch.manual_seed(0)
    size = shape[0] * shape[1] * shape[2]
    layers = nn.Flatten(), nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, outputs)
    return nn.Sequential(*layers).double().eval()


def cross_entropy(model, x, labels=LABELS):
    with torch.no_grad():
        return F.cross_entropy(model(x), labels, reduction="none")


def variance(outcomes, fn):
    """Of a finite law, ``(N,)``."""
    mean = sum(p * fn(x) for p, x in outcomes)
    return sum(p * (fn(x) - mean) ** 2 for p, x in outcomes)


def test_the_name_is_the_function():
    """Also after modules that import the package."""
    import augmoments.reporting

    assert augmoments.reporting
    assert am.sensitivity is sensitivity


class TestClosedForm:
    """Linear model and squared error: with z = W (t - mu), r = y - W mu - b and S = W V W^T,
    Var = 4 r^T S r + Var |z|^2 - 4 Cov(r^T z, |z|^2), all over eight outcomes by hand."""

    POLICY = am.Compose(
        [
            am.RandomHorizontalFlip(0.3),
            am.RandomVerticalFlip(0.6),
            am.RandomInvert(0.2),
        ]
    )

    def outcomes(self, x):
        flips = [(0.7, x), (0.3, x.flip(-1))]
        both = [(p * q, y) for p, a in flips for q, y in ((0.4, a), (0.6, a.flip(-2)))]
        return [(p * q, y) for p, a in both for q, y in ((0.8, a), (0.2, 1 - a))]

    def test_variance_and_its_linearization(self):
        x, model = images(), linear_model()
        target = torch.rand(4, 3, dtype=torch.float64)
        s = am.sensitivity(model, "squared_error", x, target, self.POLICY, k=36)
        weight, bias = model[1].weight.detach(), model[1].bias.detach()
        outcomes = [(p, t.flatten(1)) for p, t in self.outcomes(x)]
        mu = sum(p * t for p, t in outcomes)
        v = sum(p * (t - mu)[:, :, None] * (t - mu)[:, None] for p, t in outcomes)
        r = target - mu @ weight.T - bias
        first = 4 * torch.einsum("nk,kd,nde,le,nl->n", r, weight, v, weight, r)
        draws = [(p, (t - mu) @ weight.T) for p, t in outcomes]
        length = sum(p * z.square().sum(1) for p, z in draws)
        gaps = [(p, (r * z).sum(1), z.square().sum(1) - length) for p, z in draws]
        truth = first + sum(p * b**2 for p, _, b in gaps) - 4 * sum(p * a * b for p, a, b in gaps)
        assert s.method == s.covariance_method == "exact"
        torch.testing.assert_close(s.variance, truth, rtol=1e-10, atol=0)
        torch.testing.assert_close(s.linearized_variance, first, rtol=1e-10, atol=0)
        assert (s.linearized_error < 1e-9 * s.linearized_variance).all()
        expected = r.square().sum(1) + torch.einsum("kd,nde,ke->n", weight, v, weight)
        torch.testing.assert_close(s.expected, expected, rtol=1e-10, atol=0)
        torch.testing.assert_close(s.explained.sum(1), torch.ones(4).double())
        values, vectors = torch.linalg.eigh(v)
        top = values[:, -1] * torch.einsum("nd,nd->n", vectors[..., -1], -2 * r @ weight) ** 2
        torch.testing.assert_close(s.explained[:, 0], top / first)

    def test_the_error_of_the_linearization_holds(self):
        """Of a covariance by few nodes, against one by many."""
        policy = am.Compose([am.RandomRotation(25, "bilinear"), am.ColorJitter(0.4, 0.4)])
        x, model = images(shape=(3, 6, 6)), network((3, 6, 6))
        rough = am.sensitivity(model, "cross_entropy", x, LABELS, policy, max_nodes=256)
        fine = am.sensitivity(model, "cross_entropy", x, LABELS, policy, 1, 1e-5, max_nodes=2**12)
        gap = (rough.linearized_variance - fine.linearized_variance).abs()
        moved = 0.02 * fine.linearized_variance  # the mean, and so the saliency, moves too
        assert (gap <= rough.linearized_error + fine.linearized_error + moved).all()
        assert (rough.linearized_error > 0).all()


def test_small_augmentations_are_linear_at_rate():
    """x (1 + e u) with u uniform and smooth f: linearized / true = 1 + c e^2."""
    x, model = images(), network()

    def gap(e):
        policy = am.ColorJitter(brightness=am.Uniform(1 - e, 1 + e), clamp=False)
        s = am.sensitivity(model, "cross_entropy", x, LABELS, policy, 1, 1e-6)
        return float((s.linearized_variance / s.variance - 1).abs().mean())

    gaps = [gap(e) for e in (0.4, 0.2, 0.1, 0.05)]
    assert gaps[-1] < 2e-3
    for wide, narrow in itertools.pairwise(gaps):
        assert 3.5 < wide / narrow < 4.5


class TestSteps:
    def check(self, model, x, policy, one, two, both):
        """Against laws of two steps that are written out; ``one`` etc. give pairs (p, images)."""
        s = am.sensitivity(model, "cross_entropy", x, LABELS, policy, 2, steps=True)
        mean = sum(p * t for p, t in both(x)).requires_grad_()
        F.cross_entropy(model(mean), LABELS, reduction="sum").backward()

        def linear(t):
            return (mean.grad * t).flatten(1).sum(1)

        def loss(t):
            return cross_entropy(model, t)

        whole = variance(both(x), loss)
        assert s.steps.method == "exact"
        torch.testing.assert_close(s.steps.variance, whole)
        pairs = [(variance(law(x), loss), variance(law(x), linear)) for law in (one, two)]
        sums = 0.0
        for step, (own, own_linear), (other, _) in zip(
            s.steps.steps, pairs, pairs[::-1], strict=True
        ):
            close = {"rtol": 0, "atol": 1e-6}
            torch.testing.assert_close(step.alone.value, own / whole, **close)
            torch.testing.assert_close(step.beyond.value, 1 - other / whole, **close)
            torch.testing.assert_close(
                step.linearized.value, own_linear / variance(both(x), linear), **close
            )
            assert step.alone.pooled == pytest.approx(float(own.sum() / whole.sum()), abs=1e-6)
            assert step.beyond.pooled == pytest.approx(
                float(1 - other.sum() / whole.sum()), abs=1e-6
            )
            assert float(step.alone.error.max()) < 1e-12
            sums += step.alone.pooled
        assert s.steps.interaction == pytest.approx(1 - sums)
        return s.steps

    def test_flip_and_quarter_turn(self):
        def flips(x):
            return [(0.7, x), (0.3, x.flip(-1))]

        def turns(x):
            return [(0.4, x), (0.6, x.rot90(1, (-2, -1)))]

        turn = am.RandomRotation(am.Discrete([0, 90], [0.4, 0.6]), interpolation="bilinear")
        policy = am.Compose([am.RandomHorizontalFlip(0.3), am.Compose([turn])])
        steps = self.check(
            network(),
            images(),
            policy,
            flips,
            turns,
            lambda x: [(p * q, z) for p, y in flips(x) for q, z in turns(y)],
        )
        assert [step.name for step in steps.steps] == ["RandomHorizontalFlip", "RandomRotation"]
        assert "sum to" in str(steps)

    def test_three_angles_of_a_convolution(self):
        angles = [(0.2, -20.0), (0.5, 0.0), (0.3, 35.0)]
        torch.manual_seed(1)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
        ).double()

        def turned(x):
            return [(p, am.RandomRotation((a, a), "bilinear")(x)) for p, a in angles]

        def flips(x):
            return [(0.5, x), (0.5, x.flip(-1))]

        rotation = am.RandomRotation(
            am.Discrete([a for _, a in angles], [p for p, _ in angles]), interpolation="bilinear"
        )
        self.check(
            model.eval(),
            images(seed=1),
            am.Compose([rotation, am.RandomHorizontalFlip()]),
            turned,
            flips,
            lambda x: [(p * q, z) for p, y in turned(x) for q, z in flips(y)],
        )

    def test_against_draws(self):
        """20,000 draws of each policy; the shares that they show may be off by 4%."""
        steps = [am.RandomRotation(20, "bilinear"), am.ColorJitter(0.5), am.GaussianNoise(0.0, 0.1)]
        x, model = images(3), network()
        s = am.sensitivity(
            model, "cross_entropy", x, LABELS[:3], am.Compose(steps), 1, steps=True, max_nodes=2048
        )
        generator = torch.Generator().manual_seed(0)

        def drawn(some):
            policy = am.Compose(some)
            copies = x[:, None].expand(-1, 20_000, *SHAPE).flatten(0, 1)
            labels = LABELS[:3].repeat_interleave(20_000)
            return (
                cross_entropy(model, policy(copies, generator=generator), labels).view(3, -1).var(1)
            )

        whole = drawn(steps)
        assert s.steps.method == "monte-carlo"
        for place, step in enumerate(s.steps.steps):
            alone, rest = drawn([steps[place]]), drawn(steps[:place] + steps[place + 1 :])
            assert ((step.alone.value - alone / whole).abs() <= step.alone.error + 0.04).all()
            assert ((step.beyond.value - 1 + rest / whole).abs() <= step.beyond.error + 0.04).all()
            pooled = float(alone.sum() / whole.sum())
            assert abs(step.alone.pooled - pooled) <= step.alone.pooled_error + 0.04

    def test_steps_that_scale_or_change_the_size(self):
        """What does not fit the model without a step has no share."""
        policy = am.Compose([am.RandomCrop(4), am.Normalize(0.5, 0.5), am.RandomHorizontalFlip()])
        x = images()
        model = network((1, 4, 4))
        crop, scale, flip = am.sensitivity(
            model, "cross_entropy", x, LABELS, policy, 1, steps=True
        ).steps.steps
        assert crop.beyond is None
        assert flip.alone is None
        assert scale.alone.pooled == 0
        assert crop.alone is not None
        assert scale.beyond is not None

    def test_no_variance(self):
        x = torch.full((2, *SHAPE), 0.5, dtype=torch.float64)
        policy = am.Compose([am.RandomHorizontalFlip(), am.RandomVerticalFlip()])
        s = am.sensitivity(network(), "cross_entropy", x, LABELS[:2], policy, steps=True)
        for step in s.steps.steps:
            for portion in (step.alone, step.beyond, step.linearized):
                assert portion.value.tolist() == [0, 0]
                assert portion.pooled == 0
        assert s.steps.interaction is None

    def test_a_policy_without_steps(self):
        nothing = pytest.importorskip("torchvision.transforms.v2").Identity()
        s = am.sensitivity(network(), "cross_entropy", images(), LABELS, nothing, steps=True)
        assert s.steps.steps == ()
        assert s.steps.interaction is None
        assert s.variance.tolist() == [0] * 4

    def test_rounding_is_no_variance(self):
        """A model that sees only the sum does not see mirrors."""
        x, model = images(dtype=torch.float32), nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
        with torch.no_grad():
            model[1].weight.copy_(torch.tensor([[1.0], [2.0], [-1.0]]).expand(3, 36))
        policy = am.Compose([am.RandomHorizontalFlip(), am.RandomVerticalFlip()])
        s = am.sensitivity(model, "cross_entropy", x, LABELS, policy, steps=True)
        assert float(s.explained.abs().max()) == 0
        assert float(s.ratio.max()) < 1e-10
        assert all(float(step.alone.value.abs().max()) == 0 for step in s.steps.steps)


class TestZeros:
    def test_images_without_variance_or_gradient(self):
        x = images(dtype=torch.float32)
        x[0] = 0.25
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
        flat = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
        nn.init.zeros_(flat[1].weight)
        policy = am.RandomTranslation(x=(-1, 1), border="zeros")
        mirror = am.RandomHorizontalFlip()
        for some, which in ((model, mirror), (flat, policy)):
            s = am.sensitivity(some, "cross_entropy", x, LABELS, which, 4)
            for name in ("alignment", "explained", "ratio", "isotropic", "linearized_variance"):
                assert getattr(s, name).isfinite().all(), name
        assert float(s.alignment.max()) == float(s.ratio.max()) == float(s.explained.max()) == 0
        mirrored = am.sensitivity(model, "cross_entropy", x[:1], LABELS[:1], mirror, 4)
        assert mirrored.ratio.tolist() == mirrored.isotropic.tolist() == [0]
        assert mirrored.pooled().gain is None
        assert mirrored.pooled().quotient is None
        assert "ratio 0" in mirrored.summary()

    def test_gradients_whose_squares_underflow(self):
        """Gradients of length 1e-25 in single precision have the directions of larger ones."""
        x, policy = images(dtype=torch.float32), am.RandomTranslation(x=(-1, 1))
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()

        def loss(scale):
            return lambda z, y: scale * z.gather(1, y[:, None])[:, 0]

        tiny, plain = (am.sensitivity(model, loss(c), x, LABELS, policy, 36) for c in (1e-25, 1.0))
        torch.testing.assert_close(tiny.alignment.sum(1), torch.ones(4))
        torch.testing.assert_close(tiny.alignment, plain.alignment)
        torch.testing.assert_close(tiny.ratio, plain.ratio)
        torch.testing.assert_close(tiny.explained, plain.explained)


class TestDataset:
    POLICY = am.Compose([am.RandomTranslation(x=(-1, 1), y=(-1, 1)), am.RandomHorizontalFlip()])

    def found(self, n=150, **options):
        labels = torch.arange(n) % 3
        x = images(n)
        return am.sensitivity(network(), "cross_entropy", x, labels, self.POLICY, 5, **options)

    def test_pooled_by_hand(self):
        s = self.found()
        p = s.pooled()
        g = s.saliency.flatten(1)
        v = am.moments(images(150), self.POLICY, 1e-2).covariance.dense()
        values, vectors = (part.flip(-1) for part in torch.linalg.eigh(v))
        along = torch.einsum("nd,ndk->nk", g, vectors).square()[:, :5]
        quadratic = torch.einsum("nd,nde,ne->n", g, v, g)
        power = g.square().sum(1)
        energies = along.sum(0) / power.sum()
        explained = (values[:, :5] * along).sum(0) / quadratic.sum()
        top = (values[:, 0] * power).sum()
        isotropic = (power * values.mean(1)).sum() / top
        assert p.images == 150
        assert p.alignment == pytest.approx(energies.tolist())
        assert p.cumulative == pytest.approx(energies.cumsum(0).tolist())
        assert p.explained == pytest.approx(explained.tolist())
        assert p.ratio == pytest.approx(float(quadratic.sum() / top))
        assert p.isotropic == pytest.approx(float(isotropic))
        assert p.gain == pytest.approx(float(quadratic.sum() / top / isotropic))
        assert p.linearized_variance == pytest.approx(float(quadratic.mean()))
        assert p.variance == pytest.approx(float(s.variance.mean()))
        assert p.quotient == pytest.approx(float((quadratic / s.variance).median()), rel=1e-6)
        ranks = torch.stack(
            [values.argsort().argsort().double() for values in (quadratic, s.variance)]
        )
        assert p.rank_correlation == pytest.approx(float(torch.corrcoef(ranks)[0, 1]))
        assert "150 images" in s.summary()

    def test_images_go_in_pieces(self, monkeypatch):
        """The covariances of 64 images at most are held at a time; eigenvectors if wanted."""
        module = sys.modules["augmoments.alignment.sensitivity"]
        sizes, real = [], module.moments

        def spy(batch, *args, **options):
            sizes.append(len(batch))
            return real(batch, *args, **options)

        monkeypatch.setattr(module, "moments", spy)
        lean, full = self.found(keep_vectors=False), self.found()
        assert max(sizes) <= 64
        assert lean.vectors is None
        assert full.vectors.shape == (150, 5, *SHAPE)
        for name in ("alignment", "explained", "ratio", "variance"):
            torch.testing.assert_close(getattr(lean, name), getattr(full, name))

    def test_eigenvectors_that_do_not_fit_are_refused(self, monkeypatch):
        monkeypatch.setattr("augmoments.checks.available_memory", lambda: 100_000)
        with pytest.raises(NotEnoughMemoryError, match="keep_vectors=False"):
            self.found()


class TestFrequencies:
    def test_parseval(self):
        """Odd and even sides, several channels: energies sum to the squared norm."""
        for shape in ((1, 8, 8), (3, 7, 10), (2, 1, 5)):
            maps = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0)).double()
            found = radial_energy(maps)
            torch.testing.assert_close(found.energy.sum(1), maps.flatten(1).square().sum(1))
            torch.testing.assert_close(found.low + found.high, torch.ones(5).double())

    def test_waves_of_one_frequency(self):
        """cos(2 pi (3 y + 4 x) / 40) has radius 2 * 5 / 40 = 0.25: the lower edge is in a band."""
        y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
        wave = torch.cos(2 * torch.pi * (3 * y + 4 * x) / 40)[None, None]
        found = radial_energy(wave, bands=(0.2, 0.24, 0.26))
        torch.testing.assert_close(float(found.mean_frequency), 0.25)
        torch.testing.assert_close(float(found.energy[0, 2]), float(wave.square().sum()))
        slow = radial_energy(torch.cos(2 * torch.pi * 4 * y / 40)[None, None])
        torch.testing.assert_close((float(slow.low), float(slow.high)), (1.0, 0.0))

    def test_white_noise_is_flat(self):
        """1,000 maps of 16 x 16: average energies are 1 within 4 standard errors."""
        maps = torch.randn(1000, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        found = radial_energy(maps)
        average = found.average.mean(0)
        errors = found.average.std(0) / 1000**0.5
        assert ((average - 1).abs() < 4 * errors).all()

    def test_nothing_and_nonsense(self):
        found = radial_energy(torch.zeros(2, 1, 4, 4))
        for name in ("low", "high", "mean_frequency"):
            assert getattr(found, name).tolist() == [0, 0]
        for bands in ((0.5, 0.25), (0.0, 0.5), (0.5, 2.0), (float("nan"),)):
            with pytest.raises(InputError, match="increase"):
                radial_energy(torch.zeros(2, 1, 4, 4), bands)


def trained(kind, x, labels):
    """A linear model, a perceptron or a small convolutional network after 60 steps."""
    torch.manual_seed(0)
    size, side = x[0].numel(), (x.shape[-1] + 1) // 2
    classes = int(labels.max()) + 1
    model = {
        "linear": nn.Sequential(nn.Flatten(), nn.Linear(size, classes)),
        "perceptron": nn.Sequential(
            nn.Flatten(), nn.Linear(size, 32), nn.ReLU(), nn.Linear(32, classes)
        ),
        "convolutions": nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * side**2, classes),
        ),
    }[kind]
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        index = torch.randint(len(x), (50,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[index]), labels[index]).backward()
        optimizer.step()
    return model.eval()


def pipelines(side):
    v2 = pytest.importorskip("torchvision.transforms.v2")
    bilinear = v2.InterpolationMode.BILINEAR
    return {
        "crop and flip": v2.Compose([v2.RandomCrop(side, padding=1), v2.RandomHorizontalFlip()]),
        "rotation": v2.RandomRotation(20, interpolation=bilinear),
        "affine and brightness": v2.Compose(
            [
                v2.RandomAffine(10, translate=(0.1, 0.1), interpolation=bilinear),
                v2.ColorJitter(brightness=0.3),
            ]
        ),
    }


QUICK = ("crop and flip", "digits")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param(name, data, marks=() if (name, data) == QUICK else pytest.mark.slow)
        for name in ("crop and flip", "rotation", "affine and brightness")
        for data in ("digits", "lfw")
    ],
)
def test_the_variance_is_what_torchvision_shows(name, data):
    """Mean variance over six images within 15% of that of 20,000 draws, for three models.

    Each image is within 15% and four standard errors of the draws' variance. One call makes the
    same draw for all images, so that draws of one image are independent.
    """
    x, labels = getattr(am.data, data)()
    pipeline = pipelines(x.shape[-1])[name]
    some = torch.linspace(0, len(x) - 1, 6).long()
    probe, targets = x[some], labels[some]
    torch.manual_seed(0)
    draws = torch.stack([pipeline(probe) for _ in range(20_000)])
    for kind in ("linear", "perceptron", "convolutions"):
        model = trained(kind, x, labels)
        s = am.sensitivity(model, "cross_entropy", probe, targets, pipeline, 4)
        with torch.no_grad():
            parts = draws.flatten(0, 1).split(12_000)
            outputs = torch.cat([model(part) for part in parts])
        seen = F.cross_entropy(outputs, targets.repeat(20_000), reduction="none").view(20_000, -1)
        shown = seen.double().var(0)
        spread = (seen.double() - seen.double().mean(0)).square().std(0) / 20_000**0.5
        assert float(s.variance.mean()) == pytest.approx(float(shown.mean()), rel=0.15)
        assert ((s.variance - shown).abs() <= 0.15 * shown + 4 * spread).all()

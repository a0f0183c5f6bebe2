"""Neutral draws, policies at another strength, and curves over the strength."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, r2_score

import augmoments as am
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset import DatasetMoments
from augmoments.errors import InputError, InputTypeError, OutputError, PolicyError
from augmoments.laws import ContinuousLaw, Discrete, Law
from augmoments.laws.scaled import Stretched, rescaled_law
from augmoments.linear.strength import strength_curve
from cases import CASES, Case, laws

NO_NEUTRAL = (
    "normalize",
    "normalize-one-number",
    "finite",
    "everything",
    "clamped-first",
    "resized-crop",
    "resized-crop-nearest",
    "resized-crop-bicubic",
    "resized-crop-plain",
    "crop",
    "crop-reflected",
    "crop-edge",
    "crop-if-needed",
    "crop-symmetric",
    "crop-clamped",
    "crop-centre",
    "pad",
    "pad-reflected",
    "resize",
    "resize-larger",
    "rotation-crop",
    "resize-rotation",
    "crop-translation",
    "pad-rotation-crop-flip",
    "choice-of-crops",
    "crop-noise",
    "elastic",
    "elastic-nearest",
    "noise",
    "noise-rotation",
    "jitter-noise",
    "noise-unclipped-random-sigma",
    "noise-unclipped-rotation",
    "rotation-noise",
    "rotation-noise-unclipped",
)
NO_STRENGTH = ("crop", "augment", "augmix")


def _images(case: Case) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(2, *case.shape, generator=generator, dtype=torch.float64)


def _ids(case: Case) -> str:
    return case.name


def _neutral(case: Case) -> torch.Tensor | None:
    try:
        return case.policy.neutral(case.shape)
    except PolicyError:
        return None


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_neutral_leaves_images_as_they_are(case: Case) -> None:
    theta, images = _neutral(case), _images(case)
    if theta is None:
        return
    assert theta.dtype == torch.float64
    assert theta.shape == case.policy.draw(case.shape, 1).shape[1:]
    out = case.policy.apply(images[None], theta[None])[0]
    torch.testing.assert_close(out, images, rtol=0, atol=1e-12 if "hue" not in case.name else 1e-6)


def test_which_have_no_neutral_draw() -> None:
    assert {case.name for case in CASES if _neutral(case) is None} == set(NO_NEUTRAL)


def _scaled(case: Case, strength: float) -> Augmentation | None:
    try:
        return case.policy.scaled(strength)
    except PolicyError:
        return None


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_strength_one_is_the_same_law_and_zero_the_identity(case: Case) -> None:
    same, none = _scaled(case, 1.0), _scaled(case, 0.0)
    if same is None or none is None:
        assert any(word in case.name for word in NO_STRENGTH), case.name
        return
    seeds = [torch.Generator().manual_seed(5) for _ in range(2)]
    drawn, again = (
        policy.draw(case.shape, 40, seed)
        for policy, seed in zip((case.policy, same), seeds, strict=True)
    )
    torch.testing.assert_close(again, drawn, rtol=1e-12, atol=1e-12)
    idle = _neutral(case) is not None or "noise" in case.name or "elastic" in case.name
    if idle and "normalize" not in case.name:
        images = _images(case)
        torch.testing.assert_close(none(images), images, rtol=0, atol=1e-6)


@pytest.mark.parametrize("law", laws(0.5, 1.8).values(), ids=laws(0.5, 1.8).keys())
@pytest.mark.parametrize("about", [0.0, 1.0, 2.3])
def test_scaled_laws_are_affine_images(law: Law, about: float) -> None:
    found, u = rescaled_law(law, about, 0.7), np.linspace(0.003, 0.997, 50)
    np.testing.assert_allclose(found.ppf(u), about + 0.7 * (law.ppf(u) - about), rtol=1e-9)
    assert found.mean == pytest.approx(about + 0.7 * (law.mean - about), rel=1e-10)
    assert rescaled_law(law, about, 0.0) == Discrete([about])


def test_stretched_law_is_consistent() -> None:
    law = rescaled_law(am.LogUniform(0.4, 3.0), 1.0, 0.6)
    assert isinstance(law, Stretched)
    low, high = law.support
    x = np.linspace(low, high, 7)[1:-1]
    for point in x:
        mass = integrate.quad(law.density, low, point)[0]
        first = integrate.quad(lambda t: t * law.density(t), low, point)[0]
        assert law.cdf(point) == pytest.approx(mass, rel=1e-9)
        assert law.partial_mean(point) == pytest.approx(first, rel=1e-9)
    np.testing.assert_allclose(law.cdf(law.ppf(x / 3)), x / 3, rtol=1e-12)
    assert rescaled_law(law, 1.0, 0.5) == rescaled_law(am.LogUniform(0.4, 3.0), 1.0, 0.3)
    assert isinstance(rescaled_law(law, 0.0, 0.5), ContinuousLaw)


def _same_law(first: Augmentation, second: Augmentation, shape: tuple[int, int, int]) -> None:
    drawn = [p.draw(shape, 60, torch.Generator().manual_seed(2)) for p in (first, second)]
    torch.testing.assert_close(*drawn, rtol=1e-6, atol=1e-6)


def test_pipelines_of_torchvision() -> None:
    v2 = pytest.importorskip("torchvision.transforms.v2")

    def pipeline(s: float) -> Augmentation:
        return am.as_policy(
            v2.Compose(
                [
                    v2.RandomAffine(10 * s, (0.2 * s, 0.3 * s), (1 - 0.2 * s, 1 + 0.1 * s), 8 * s),
                    v2.ColorJitter(0.4 * s, 0.3 * s, 0.2 * s, 0.1 * s),
                    v2.RandomHorizontalFlip(0.5 * s),
                    v2.RandomApply([v2.GaussianBlur(3)], 0.4 * s),
                    v2.RandomPerspective(0.2 * s, p=1.0),
                    v2.RandomErasing(0.4 * s, value=0),
                ]
            )
        )

    _same_law(pipeline(1.0).scaled(0.5), pipeline(0.5), (3, 20, 24))


def test_pipelines_of_kornia() -> None:
    K = pytest.importorskip("kornia.augmentation")

    def pipeline(s: float) -> Augmentation:
        return am.as_policy(
            K.AugmentationSequential(
                K.RandomAffine(
                    10 * s, (0.2 * s, 0.3 * s), (1 - 0.2 * s, 1 + 0.2 * s), 8 * s, p=1.0
                ),
                K.ColorJitter(0.4 * s, 0.3 * s, 0.2 * s, 0.1 * s, p=1.0),
                K.RandomTranslate((-0.2 * s, 0.2 * s), p=1.0),
                K.RandomHorizontalFlip(p=0.5 * s),
                K.RandomErasing(p=0.4 * s),
                K.RandomGrayscale(p=0.2 * s),
            )
        )

    _same_law(pipeline(1.0).scaled(0.5), pipeline(0.5), (3, 20, 24))


def test_pipelines_of_albumentations() -> None:
    A = pytest.importorskip("albumentations")

    def pipeline(s: float) -> Augmentation:
        return am.as_policy(
            A.Compose(
                [
                    A.Affine(
                        scale=(1 - 0.2 * s, 1 + 0.2 * s),
                        translate_percent=(-0.2 * s, 0.2 * s),
                        rotate=(-10 * s, 10 * s),
                        shear=(-8 * s, 8 * s),
                        p=1.0,
                    ),
                    A.ColorJitter(
                        (1 - 0.4 * s, 1 + 0.4 * s),
                        (1 - 0.3 * s, 1 + 0.3 * s),
                        (1 - 0.2 * s, 1 + 0.2 * s),
                        (-0.1 * s, 0.1 * s),
                        p=1.0,
                    ),
                    A.RandomBrightnessContrast(0.2 * s, 0.2 * s, p=1.0),
                    A.HorizontalFlip(p=0.5 * s),
                    A.CoarseDropout(p=0.4 * s),
                    A.InvertImg(p=0.2 * s),
                ]
            )
        )

    found, expected = pipeline(1.0).scaled(0.5), pipeline(0.5)
    drawn = [p.draw((3, 20, 24), 4000, torch.Generator().manual_seed(2)) for p in (found, expected)]
    assert drawn[0].shape == drawn[1].shape
    continuous = [0, 3, 4, 5, 6, *range(8, 14)]
    torch.testing.assert_close(
        drawn[0][:, continuous], drawn[1][:, continuous], rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(
    ("policy", "strength", "message"),
    [
        (am.RandomHorizontalFlip(0.5), 3.0, "probability 0.5 would become 1.5"),
        (am.RandomZoom((0.5, 1.5)), 2.0, "positive"),
        (am.ColorJitter(brightness=0.8), 2.0, "negative"),
        (am.RandomShear(x=(-60, 60)), 2.0, "90"),
        (am.RandomCrop(8, padding=2), 0.5, "RandomCrop"),
        (am.Compose([am.RandomInvert(), am.RandAugment()]), 0.5, "RandAugment"),
        (am.MixUp(), 0.5, "MixUp"),
        (am.RandomAffine(0, translate=(0.6, 0.6)), 2.0, "translate"),
    ],
)
def test_impossible_strengths_are_refused(
    policy: Augmentation, strength: float, message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        policy.scaled(strength)


def test_strengths_are_numbers() -> None:
    policy = am.RandomHorizontalFlip()
    with pytest.raises(InputError, match="at least 0"):
        policy.scaled(-1.0)
    with pytest.raises(InputTypeError, match="number"):
        policy.scaled("weak")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def digits() -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    images, labels = am.data.digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(4))
    train, held = order[:120], order[120:500]
    return (images[train], labels[train]), (images[held], labels[held])


def test_curve_is_that_of_ridge_on_all_augmented_images(digits: Any) -> None:
    """Finite laws, so that all augmented images can be listed and given to scikit-learn."""
    train, held = digits
    law, alpha = am.Discrete([-1.0, 0.0, 1.0], [0.25, 0.5, 0.25]), 0.02
    curve = strength_curve(
        *train, am.RandomTranslation(x=law, y=law), [0.0, 0.5, 1.0], validation=held, alpha=alpha
    )
    onehot, rows = np.eye(10)[train[1]], held[0].flatten(1).double().numpy()
    for point in curve.points:
        policy = am.RandomTranslation(*(rescaled_law(law, 0.0, point.strength) for _ in range(2)))
        theta, weights = policy.atoms((1, 8, 8))
        images = train[0].double()
        moved = policy.apply(images.expand(len(theta), *images.shape), torch.from_numpy(theta))
        model = Ridge(alpha=alpha * len(images), solver="cholesky")
        model.fit(
            moved.flatten(0, 1).flatten(1).numpy(),
            np.tile(onehot, (len(theta), 1)),
            sample_weight=np.repeat(weights, len(images)),
        )
        outputs = model.predict(rows)
        assert point.score == accuracy_score(held[1], outputs.argmax(1))
        error = ((outputs - np.eye(10)[held[1]]) ** 2).sum(1).mean()
        assert point.validation_loss == pytest.approx(error, rel=1e-8)
        assert point.norm == pytest.approx(np.linalg.norm(model.coef_), rel=1e-8)
        assert point.method == "exact"
        assert point.validation_error < 1e-12
    assert curve.best.score == curve.score.max()
    assert curve.score_name == "accuracy"


def test_curve_of_real_targets(digits: Any) -> None:
    (images, labels), (held, held_labels) = digits
    curve = strength_curve(
        images,
        labels.double(),
        am.RandomTranslation(),
        [0.0],
        validation=(held, held_labels.double()),
        alpha=0.02,
    )
    model = Ridge(alpha=0.02 * len(images), solver="cholesky")
    model.fit(images.flatten(1).double().numpy(), labels.numpy())
    outputs = model.predict(held.flatten(1).double().numpy())
    assert curve.best.score == pytest.approx(r2_score(held_labels.numpy(), outputs), rel=1e-8)
    assert curve.score_name == "R^2"


def test_affine_policies_share_one_pass(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    train, held = digits
    passes = []
    update = DatasetMoments.update

    def counted(self: DatasetMoments, *given: Any) -> DatasetMoments:
        passes.append(self.policy)
        return update(self, *given)

    monkeypatch.setattr(DatasetMoments, "update", counted)
    turn = am.RandomRotation(am.Uniform(-10, 10), "bilinear")
    strength_curve(*train, turn, [0.0, 0.5, 1.0, 2.0], validation=held)
    assert len(passes) == 1
    curve = strength_curve(*train, am.ColorJitter(0.3), [0.5, 1.0], validation=held)
    assert len(passes) == 3
    assert (curve.norm > 0).all()


def test_curve_says_how_it_came_about(digits: Any) -> None:
    train, held = digits
    turn = am.RandomRotation(am.Uniform(-15, 15), "bilinear")
    curve = strength_curve(*train, turn, [0.0, 1.0], validation=held, tol=1e-4)
    fine = strength_curve(*train, turn, [0.0, 1.0], validation=held, tol=1e-6)
    assert curve.method.tolist() == ["exact", "cubature"]
    gap = abs(curve.points[1].validation_loss - fine.points[1].validation_loss)
    assert 0 < gap <= curve.points[1].validation_error
    assert "<- best" in repr(curve)
    assert "cubature" in repr(curve)


def test_curve_is_drawn(digits: Any, tmp_path: Path) -> None:
    train, held = digits
    curve = strength_curve(*train, am.RandomHorizontalFlip(), [1.0, 0.0], validation=held)
    curve.plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputError, match="nowhere"):
        curve.plot(tmp_path / "nowhere" / "curve.png")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (am.RandAugment(), "RandAugment has no strength"),
        (lambda s: am.RandomCrop(6), "keeps the shape"),
        (lambda s: am.Compose([am.RandomInvert(), am.Normalize(0.5, 0.5)]), "not random"),
    ],
)
def test_curves_that_cannot_be_judged(digits: Any, policy: Any, message: str) -> None:
    train, held = digits
    with pytest.raises(PolicyError, match=message):
        strength_curve(*train, policy, [0.5], validation=held)


def test_curves_of_wrong_input(digits: Any) -> None:
    train, held = digits
    flip = am.RandomHorizontalFlip()
    with pytest.raises(InputError, match="strengths"):
        strength_curve(*train, flip, [], validation=held)
    with pytest.raises(InputError, match="do not occur"):
        strength_curve(*train, flip, [0.5], validation=(held[0], held[1] + 20))
    with pytest.raises(InputError, match="same kind"):
        strength_curve(*train, flip, [0.5], validation=(held[0], held[1].double()))
    with pytest.raises(InputError, match="shape"):
        strength_curve(*train, flip, [0.5], validation=(held[0][..., 1:], held[1]))
    with pytest.raises(InputTypeError, match="policy"):
        strength_curve(*train, 3, [0.5], validation=held)  # type: ignore[arg-type]

"""What an explanation says of the steps of a policy, against moments and known answers."""

import pytest
import torch

import augmoments as am
from augmoments.augmentations.crops import RandomCrop
from augmoments.augmentations.noise import GaussianNoise
from augmoments.calculus.explain import explain
from augmoments.calculus.reference import reference_images
from augmoments.errors import InputError, PolicyError

FLIP = am.RandomHorizontalFlip()
SHIFTS = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
ROTATION = am.RandomRotation(15, interpolation="bilinear")
JITTER = am.ColorJitter(brightness=0.4, contrast=0.4)
NORMALIZE = am.Normalize(0.5, 0.25)


def variance(policy, images):
    return float(am.moments(images, policy, value_range=None).covariance.diagonal().mean())


class TestShares:
    def test_exact_shares_are_those_of_moments(self):
        policy = am.Compose([FLIP, am.RandomGrayscale(0.3), NORMALIZE])
        images = reference_images((3, 8, 8))
        found = explain(policy, images)
        whole = variance(policy, images)
        flip, gray, normalize = found.rows
        assert flip.alone == pytest.approx(variance(am.Compose([FLIP, NORMALIZE]), images) / whole)
        without = variance(am.Compose([FLIP, NORMALIZE]), images)
        assert gray.beyond == pytest.approx(1 - without / whole)
        assert normalize.alone == 0
        assert normalize.beyond == pytest.approx(1 - 0.25**2)
        assert found.error < 1e-6

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_others_are_within_their_bounds(self, seed):
        steps = [ROTATION, SHIFTS, FLIP, am.ColorJitter(brightness=0.4, clamp=False)]
        images = reference_images((1, 10, 10))
        found = explain(am.Compose(steps), images, seed=seed)
        whole = variance(am.Compose(steps), images)
        shares = {row.position: (row.alone, row.beyond) for row in found.rows}
        for place, step in enumerate(steps):
            others = am.Compose([s for s in steps if s is not step])
            alone, beyond = shares[place]
            assert abs(alone - variance(step, images) / whole) <= found.error
            assert abs(beyond - 1 + variance(others, images) / whole) <= found.error
        assert found.error < 0.06

    def test_noise_has_the_variance_that_it_adds(self):
        policy = am.Compose([SHIFTS, GaussianNoise(sigma=0.2, clip=False)])
        images = reference_images((1, 12, 12))
        found = explain(policy, images, tol=0.01)
        share = 0.04 / variance(policy, images)
        assert abs(found.rows[-1].alone - share) <= found.error
        assert abs(found.rows[-1].beyond - share) <= found.error

    def test_steps_that_change_the_size(self):
        """A share is given where the remaining steps still work."""
        policy = am.Compose([RandomCrop(12), RandomCrop(10), FLIP])
        rows = explain(policy, (1, 16, 16)).rows
        by_step = {row.position: row for row in rows}
        assert by_step[0].beyond is not None
        needed = am.Compose([RandomCrop(12), _Only12(0.0, 1.0), FLIP])
        rows = {row.position: row for row in explain(needed, (1, 16, 16)).rows}
        assert rows[0].beyond is None
        assert rows[2].alone is None
        assert "  -" in str(explain(needed, (1, 16, 16)))

    def test_nothing_random(self):
        found = explain(NORMALIZE, (1, 4, 4))
        assert (found.rows[0].alone, found.rows[0].beyond) == (0.0, None)
        still = explain(am.RandomRotation((0, 0)), (1, 4, 4))
        assert still.rows[0].alone is None

    def test_one_step_brings_everything(self):
        (row,) = explain(ROTATION, (1, 8, 8)).rows
        assert (row.alone, row.beyond) == (1.0, 1.0)

    def test_the_same_seed_says_the_same(self):
        policy = am.Compose([SHIFTS, JITTER])
        assert explain(policy, (3, 8, 8)) == explain(policy, (3, 8, 8))
        assert explain(policy, (3, 8, 8), seed=1) != explain(policy, (3, 8, 8))


class _Only12(am.Normalize):
    """A step that takes images of one size only."""

    def output_shape(self, shape):
        if shape[1:] != (12, 12):
            raise PolicyError("only 12 x 12")
        return shape


class TestRoutes:
    def test_steps_before_one_that_is_not_affine(self):
        policy = am.Compose([ROTATION, SHIFTS, FLIP, JITTER, NORMALIZE])
        rows = explain(policy, (3, 8, 8)).rows
        routes = {row.step: (row.route, row.exact) for row in rows}
        assert routes == {
            "RandomRotation": ("joint nodes", False),
            "RandomTranslation": ("joint nodes", False),
            "RandomHorizontalFlip": ("atoms", True),
            "ColorJitter": ("joint nodes", False),
            "Normalize": ("atoms", True),
        }
        why = {row.step: row.why for row in rows}
        assert why["RandomRotation"] == "before a step that goes by nodes"
        assert why["ColorJitter"] == "not affine in the image"
        assert [row.position for row in rows] == [0, 1, 1, 2, 3, 3, 3, 4]
        evaluations = [row.evaluations for row in rows]
        assert evaluations == [128, 128, 128, 2, 128, 128, 128, 1]

    def test_whole_shifts_before_a_clamp(self):
        """A step whose shifts are taken apart from its angle is one step of the explanation."""
        affine = am.RandomAffine(10, translate=(0.2, 0.2), interpolation="bilinear")
        bright = am.ColorJitter(brightness=0.4)
        rows = explain(am.Compose([affine, bright, FLIP]), (1, 10, 10)).rows
        assert [row.step for row in rows] == ["RandomAffine", "ColorJitter", "RandomHorizontalFlip"]
        assert [row.route for row in rows] == ["joint nodes", "joint nodes", "atoms"]
        assert rows[0].evaluations == rows[1].evaluations > rows[2].evaluations == 2

    def test_affine_steps_keep_their_own(self):
        rows = explain(am.Compose([ROTATION, am.Compose([SHIFTS, FLIP])]), (1, 8, 8)).rows
        assert [row.route for row in rows] == ["cubature", "expansion", "expansion", "atoms"]
        assert [row.position for row in rows] == [0, 1, 1, 2]
        assert [row.evaluations for row in rows] == [64, 6, 6, 2]

    def test_finite_laws_are_exact(self):
        jitter = am.ColorJitter(brightness=am.Discrete([0.8, 1.2]))
        rows = explain(
            am.Compose([FLIP, am.RandomRotation(am.Discrete([0, 9])), jitter]), (1, 8, 8)
        )
        assert all(row.exact for row in rows.rows)

    def test_too_large_for_rules(self):
        policy = am.Compose([ROTATION, am.RandomTranslation(x=(-4, 4)), FLIP])
        rows = explain(policy, (3, 224, 224)).rows
        assert [row.exact for row in rows] == [False, *(row.exact for row in rows[1:])]
        assert rows[0].evaluations >= 64


class TestImages:
    def test_reference_images_have_the_spectrum(self):
        images = reference_images((1, 64, 64))
        assert images.shape == (4, 1, 64, 64)
        assert (float(images.min()), float(images.max())) == (0, 1)
        power = torch.fft.fft2(images.double()).abs().square().mean((0, 1))
        frequency = torch.fft.fftfreq(64, dtype=torch.float64)
        radius = (frequency[:, None] ** 2 + frequency**2).sqrt()
        means = [
            float(power[(radius > low) & (radius <= 2 * low)].mean()) for low in (0.06, 0.12, 0.24)
        ]
        assert means[0] / means[1] == pytest.approx(4, rel=0.25)
        assert means[1] / means[2] == pytest.approx(4, rel=0.25)

    def test_always_the_same_ones(self):
        assert torch.equal(reference_images((3, 8, 8)), reference_images((3, 8, 8)))
        assert len(reference_images((3, 224, 224))) == 1
        assert torch.equal(reference_images((1, 1, 1)), torch.full((4, 1, 1, 1), 0.5))

    def test_images_of_ones_own(self):
        dark = torch.zeros(1, 1, 8, 8)
        assert explain(am.Compose([FLIP, SHIFTS]), dark).rows[0].alone is None
        assert "for 1 image of 1 x 8 x 8;" in FLIP.explain(dark).note

    @pytest.mark.parametrize("wrong", [(3, 32), (0, 2, 2), (1.5, 2, 2)])
    def test_what_is_no_shape(self, wrong):
        with pytest.raises(InputError, match="a shape"):
            FLIP.explain(wrong)

    def test_refusals(self):
        with pytest.raises(InputError, match="tol"):
            FLIP.explain((1, 8, 8), tol=2)
        with pytest.raises(PolicyError):
            RandomCrop(9).explain((1, 8, 8))

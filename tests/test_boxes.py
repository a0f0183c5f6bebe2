"""Laws of boxes against the libraries' own samplers, mpmath and enumeration.

Statistical tests are seeded and state the p-value of a chi-squared test; they fail below 1e-4.
"""

import itertools

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from augmoments.errors import LawError
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.cells import cell_probabilities, rounding_edges
from augmoments.laws.crops import kornia_resized_crop_law, resized_crop_law
from augmoments.laws.erasing import albumentations_erasing_law, erasing_law, kornia_erasing_law
from augmoments.laws.mixing import cutmix_law
from augmoments.laws.shifts import torchvision_shift_law

DRAWS = 60_000
THIRDS = (3 / 4, 4 / 3)


def everything(n):
    return np.append(rounding_edges(n), np.inf)


def chi_squared(observed, expected):
    """p-value; outcomes with expectations below 5 are merged."""
    observed, expected = np.asarray(observed, float), np.asarray(expected, float)
    rare = expected < 5
    observed = np.append(observed[~rare], observed[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    used = expected > 1e-3
    assert observed[~used].sum() <= 1, "outcomes that the law does not have"
    statistic = np.sum((observed[used] - expected[used]) ** 2 / expected[used])
    return stats.chi2.sf(statistic, max(used.sum() - 1, 1)) if used.sum() > 1 else 1.0


def check_fit(law, draws, columns):
    """The marginal law of some columns of (top, left, height, width) fits the draws."""
    points, weights = law.atoms()
    draws = np.asarray(draws, float).copy()
    draws[draws[:, 2:].min(1) == 0] = 0
    rows = np.concatenate([points[:, columns], draws[:, columns]])
    outcomes, index = np.unique(rows, axis=0, return_inverse=True)
    index = index.reshape(-1)
    expected = np.bincount(index[: len(points)], weights, len(outcomes)) * len(draws)
    observed = np.bincount(index[len(points) :], minlength=len(outcomes))
    assert observed[expected < 1e-9].sum() == 0, "outcomes that the law does not have"
    p = chi_squared(observed, expected)
    assert p > 1e-4, f"columns {columns}: p-value {p:.2g}"


def check_draws(law, draws):
    """Sizes, places along both axes, and all four numbers (where they are few) fit the draws."""
    assert len(draws) >= DRAWS
    for columns in ([2, 3], [0, 2], [1, 3], [0, 1], [0, 1, 2, 3]):
        check_fit(law, draws, columns)


def torchvision_draws(transform, height, width, n=DRAWS):
    image = [torch.zeros(3, height, width)]
    drawn = [transform.make_params(image) for _ in range(n)]
    keys = ("top", "left", "height", "width") if "top" in drawn[0] else ("i", "j", "h", "w")
    boxes = np.array([[d[key] for key in keys] for d in drawn])
    return boxes, drawn


def each_library(quick, slow):
    """Cases for the three libraries; torchvision draws its boxes slowly, one by one."""
    cases = [
        pytest.param(
            library,
            *case,
            marks=[pytest.mark.slow] * (case in slow and library == "torchvision"),
        )
        for library in ("torchvision", "kornia", "albumentations")
        for case in quick + slow
    ]
    return pytest.mark.parametrize(("library", "height", "width", "scale", "ratio"), cases)


class TestCells:
    @pytest.mark.parametrize("density", ["log", "linear"])
    @pytest.mark.parametrize(
        ("n", "scale", "ratio"),
        [
            ((24, 32), (0.08, 1), THIRDS),
            ((5, 3), (0.02, 0.33), (0.3, 3.3)),
            ((1, 1), (0.0, 2.0), (0.5, 0.7)),
            ((9, 2), (0.5, 0.500001), (0.9, 40)),
        ],
    )
    def test_agrees_with_quadrature_in_the_plane_of_the_sides(self, n, scale, ratio, density):
        areas = tuple(s * n[0] * n[1] for s in scale)
        a, b = rounding_edges(n[0]), rounding_edges(n[1])
        found = cell_probabilities(a, b, areas, ratio, density)
        cells = list(itertools.product(range(n[0] + 1), range(n[1] + 1)))
        cells = cells if len(cells) < 40 else [*cells[:: len(cells) // 25], (7, 8)]
        for i, j in cells:
            truth = quadrature(a[i : i + 2], b[j : j + 2], areas, ratio, density)
            slack = 1e-14 / (1 - areas[0] / areas[1])
            assert abs(found[i, j] - truth) < slack, (i, j, found[i, j], float(truth))

    @given(
        st.integers(1, 40),
        st.integers(1, 40),
        st.lists(st.floats(0, 3), min_size=2, max_size=2),
        st.lists(st.floats(0.05, 20), min_size=2, max_size=2),
        st.sampled_from(["log", "linear"]),
    )
    @settings(deadline=None, max_examples=100)
    def test_all_cells_together_are_certain(self, height, width, scale, ratio, density):
        low, high = sorted(scale)
        areas = low * height * width, max(high, low + 1e-3) * height * width
        ratios = tuple(sorted(ratio))
        found = cell_probabilities(everything(height), everything(width), areas, ratios, density)
        assert found.min() >= 0
        relative = 1e-13 * (1 + areas[1] / (areas[1] - areas[0]))
        spread = ratios[1] - ratios[0]
        relative += 1e-13 * ratios[1] / spread if spread else 0
        assert abs(found.sum() - 1) < relative

    @pytest.mark.parametrize("density", ["log", "linear"])
    @pytest.mark.parametrize("edge", ["area", "ratio"])
    def test_constants_are_the_limit_of_narrow_ranges(self, edge, density):
        edges = everything(11), everything(7)
        constant = {"areas": (20.0, 60.0), "ratios": (0.4, 2.1)}
        narrow = dict(constant)
        constant[f"{edge}s"] = (1.3 * 20, 1.3 * 20) if edge == "area" else (1.3, 1.3)
        low = constant[f"{edge}s"][0]
        narrow[f"{edge}s"] = (low * (1 - 5e-8), low * (1 + 5e-8))
        exact = cell_probabilities(*edges, **constant, density=density)
        nearly = cell_probabilities(*edges, **narrow, density=density)
        assert exact.sum() == pytest.approx(1, abs=1e-14)
        assert np.abs(exact - nearly).max() < 1e-6

    def test_two_constants_are_one_size(self):
        found = cell_probabilities(everything(9), everything(9), (24.0, 24.0), (1.5, 1.5))
        assert found[6, 4] == 1
        assert found.sum() == 1

    def test_ambiguous_rounding_is_refused(self):
        with pytest.raises(LawError, match="halfway between two sizes"):
            cell_probabilities(everything(9), everything(9), (6.25, 6.25), (1.0, 1.0))


def quadrature(a, b, areas, ratios, density):
    """The integral over a of the width in b of the region, in 30 digits."""
    with mp.workdps(30):
        (a0, a1), (b0, b1) = ([mp.mpf(float(x)) for x in ends] for ends in (a, b))
        s, r = ([mp.mpf(float(x)) for x in ends] for ends in (areas, ratios))
        knots = [y * k for y in (b0, b1) for k in r] + [mp.sqrt(x * k) for x in s for k in r]
        knots += [x / y for x in s for y in (b0, b1) if y]
        knots = sorted({a0, a1, *(k for k in knots if a0 < k < a1)})

        def inner(x):
            low = max(b0, s[0] / x, x / r[1])
            high = min(b1, s[1] / x, x / r[0])
            if high <= low:
                return mp.mpf(0)
            return 2 * (high - low) if density == "log" else 2 * x * mp.log(high / low)

        total = mp.quad(inner, knots, maxdegree=8)
        length = mp.log(r[1] / r[0]) if density == "log" else r[1] - r[0]
        return total / ((s[1] - s[0]) * length)


LAWS = {
    "crop": resized_crop_law(5, 7, (0.08, 1)),
    "crop with fallback": resized_crop_law(4, 9),
    "kornia's crop with fallback": kornia_resized_crop_law(9, 4),
    "erasing": erasing_law(6, 5),
    "kornia's erasing": kornia_erasing_law(5, 6, p=1.0),
    "albumentations' erasing": albumentations_erasing_law(6, 7),
    "CutMix": cutmix_law(6, 5, 0.7),
    "whole image": resized_crop_law(3, 3, (1, 1), (1, 1)),
    "never": erasing_law(3, 3, p=0.0),
}
every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def test_a_wrong_law_is_found(generator):
    draws = erasing_law(8, 8, 1.0).sample(DRAWS, generator).numpy()
    for wrong in (kornia_erasing_law(8, 8, 1.0), albumentations_erasing_law(8, 8, 1.0)):
        with pytest.raises(AssertionError, match=r"p-value|does not have"):
            check_draws(wrong, draws)


class TestBoxLaw:
    @every_law
    def test_atoms_are_a_law_of_boxes_in_the_image(self, law):
        points, weights = law.atoms()
        assert len(points) == law.count
        assert abs(weights.sum() - 1) < 1e-12
        assert weights.min() > 0
        assert points.min() >= 0
        assert np.all(points[:, :2] + points[:, 2:] <= law.image)
        assert abs(law.probabilities.sum() - 1) < 1e-12

    @every_law
    def test_coverage_counts_boxes(self, law):
        points, weights = law.atoms()
        top, left, h, w = points.T[..., None, None]
        i, j = np.indices(law.image)
        masks = ((i >= top) & (i < top + h) & (j >= left) & (j < left + w)).astype(float)
        masks = masks.reshape(len(points), -1)
        areas = masks.sum(1)
        close = {"rtol": 0, "atol": 1e-12}
        np.testing.assert_allclose(law.coverage().ravel(), weights @ masks, **close)
        pairs = masks.T @ (weights[:, None] * masks)
        np.testing.assert_allclose(law.joint_coverage(), pairs, **close)
        weighted = (weights * areas) @ masks
        np.testing.assert_allclose(law.area_coverage().ravel(), weighted, atol=1e-11)
        for degree in (1, 2):
            assert law.area_moment(degree) == pytest.approx(weights @ areas**degree, rel=1e-12)

    @every_law
    def test_quantiles_on_a_grid_reproduce_the_law(self, law):
        n = 24
        grid = (np.arange(n) + 0.5) / n
        u = np.stack(np.meshgrid(*[grid] * 4, indexing="ij"), -1).reshape(-1, 4)
        drawn = law.ppf(u)
        points, weights = law.atoms()
        assert drawn.shape == (n**4, 4)
        assert {tuple(x) for x in drawn} <= {tuple(x) for x in points}
        assert np.all(np.diff(law.ppf(np.column_stack([grid, u[:n, 1:]]))[:, 3]) >= 0)
        for column in range(4):
            values = np.unique(points[:, column])
            truth = [weights[points[:, column] <= value].sum() for value in values]
            found = [np.mean(drawn[:, column] <= value) for value in values]
            assert np.abs(np.subtract(truth, found)).max() < 2 / n

    @every_law
    def test_samples_fit_the_atoms(self, law, generator):
        check_draws(law, law.sample(DRAWS, generator).numpy())

    def test_ends_of_the_unit_cube_are_boxes(self):
        law = LAWS["crop"]
        ends = np.array(list(itertools.product([0.0, np.nextafter(1, 0), 1.0], repeat=4)))
        drawn = {tuple(x) for x in law.ppf(ends)}
        assert drawn <= {tuple(x) for x in law.atoms().points}

    @pytest.mark.parametrize("law", [LAWS["CutMix"], LAWS["erasing"], LAWS["crop"]])
    def test_atoms_are_distinct(self, law):
        assert len(np.unique(law.atoms().points, axis=0)) == law.count

    def test_shows_its_sizes(self):
        assert str(LAWS["whole image"]) == "1 box, 3 x 3"
        assert str(resized_crop_law(24, 32)) == "193 boxes from 7 x 7 to 24 x 32"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"heights": np.array([5])}, "within the image of 4 x 4"),
            ({"tops": np.array([[0, 4]])}, "within the image of 4 x 4"),
            ({"tops": np.array([[0, 0]])}, "within the image of 4 x 4"),
            ({"lefts": np.array([[-1, 1]])}, "within the image of 4 x 4"),
            ({"widths": np.array([1.5])}, "not whole"),
            ({"probabilities": np.array([0.5])}, "sum to 1"),
            ({"probabilities": np.array([-1.0])}, "not negative"),
            ({"probabilities": np.array([0.5, 0.5])}, "one probability"),
        ],
    )
    def test_impossible_boxes_are_refused(self, change, message):
        fields = {
            "heights": np.array([2]),
            "widths": np.array([2]),
            "probabilities": np.array([1.0]),
            "tops": np.array([[0, 3]]),
            "lefts": np.array([[0, 3]]),
        }
        assert BoxLaw((4, 4), **fields).count == 9
        with pytest.raises(LawError, match=message):
            BoxLaw((4, 4), **(fields | change))


class TestResizedCrop:
    def test_known_numbers(self):
        edges = rounding_edges(32)[1:], rounding_edges(24)[1:]
        one_try = cell_probabilities(*edges, (0.08 * 768, 768), THIRDS).sum()
        assert one_try == pytest.approx(0.773, abs=5e-4)
        law = resized_crop_law(24, 32, (0.08, 1), THIRDS)
        assert (len(law.heights), law.count) == (193, 27_245)

    @each_library(
        [(24, 32, (0.08, 1.0), THIRDS), (32, 32, (0.2, 1.0), THIRDS), (6, 40, (0.08, 1.0), THIRDS)],
        [
            (9, 4, (0.5, 1.0), (1.0, 1.0)),
            (8, 8, (0.4, 0.4), (0.5, 2.0)),
            (3, 5, (0.0, 0.2), (0.2, 3.0)),
        ],
    )
    def test_fits_the_library(self, library, height, width, scale, ratio, monkeypatch):
        draw = {
            "torchvision": self.torchvision,
            "kornia": self.kornia,
            "albumentations": self.albumentations,
        }[library]
        law = (kornia_resized_crop_law if library == "kornia" else resized_crop_law)(
            height, width, scale, ratio
        )
        monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
        check_draws(law, draw(height, width, scale, ratio))

    @staticmethod
    def torchvision(height, width, scale, ratio):
        from torchvision.transforms import v2

        torch.manual_seed(height * width)
        return torchvision_draws(v2.RandomResizedCrop(8, scale, ratio), height, width)[0]

    @staticmethod
    def kornia(height, width, scale, ratio):
        from kornia.augmentation.random_generator import ResizedCropGenerator

        torch.manual_seed(height * width)
        corners = ResizedCropGenerator((8, 8), scale, ratio)((2 * DRAWS, 3, height, width))["src"]
        first, last = corners[:, 0].flip(1), corners[:, 2].flip(1)
        return torch.cat([first, last - first + 1], 1).numpy()

    @staticmethod
    def albumentations(height, width, scale, ratio):
        import albumentations

        crop = albumentations.RandomResizedCrop((8, 8), scale, ratio)
        crop.set_random_seed(height * width)
        params = {"shape": (height, width, 3)}
        drawn = [crop.get_params_dependent_on_data(params, {})["crop_coords"] for _ in range(DRAWS)]
        x0, y0, x1, y1 = np.array(drawn).T
        return np.column_stack([y0, x0, y1 - y0, x1 - x0])

    def test_fallback_of_torchvision_is_centred_and_kornias_is_not(self):
        centred = resized_crop_law(2, 30, (1, 1), (1, 1)).atoms()
        np.testing.assert_array_equal(centred.points, [[0, 14, 2, 2]])
        anywhere = kornia_resized_crop_law(2, 30, (1, 1), (1, 1)).atoms()
        np.testing.assert_array_equal(anywhere.points[:, 1], np.arange(29))

    def test_an_empty_fallback_is_refused(self):
        with pytest.raises(LawError, match="allow ratios nearer"):
            resized_crop_law(40, 1, (0.9, 1), (9, 9.5))
        assert kornia_resized_crop_law(40, 1, (0.9, 1), (9, 9.5)).count == 40

    def test_large_images(self):
        law = resized_crop_law(512, 512)
        assert len(law.heights) == 60_280
        assert abs(law.probabilities.sum() - 1) < 1e-12
        assert law.coverage().max() < 1

    @pytest.mark.parametrize("build", [resized_crop_law, kornia_resized_crop_law])
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((0, 4), "whole sides from 1"),
            ((4, 2.5), "whole sides from 1"),
            ((4, 4, (1, 0.5)), "Swap the two"),
            ((4, 4, (0, 0)), "share of the image"),
            ((4, 4, (-0.1, 1)), "share of the image"),
            ((4, 4, (0.1, np.nan)), "finite"),
            ((4, 4, (0.1,)), "two ends"),
            ((4, 4, 0.5), "two ends"),
            (("4", 4), "whole sides from 1"),
            ((4, 4, (0.1, 1), (2, 1)), "Swap the two"),
            ((4, 4, (0.1, 1), (0, 1)), "ratio must be positive"),
        ],
    )
    def test_impossible_arguments_are_refused(self, build, arguments, message):
        with pytest.raises(LawError, match=message):
            build(*arguments)


class TestErasing:
    @each_library(
        [(32, 32, (0.02, 0.33), (0.3, 3.3)), (12, 9, (0.3, 0.9), (0.3, 3.3))],
        [
            (7, 5, (0.0, 0.05), (0.3, 0.8)),
            (10, 10, (0.2, 0.2), (1.1, 2.0)),
            (8, 11, (0.1, 0.6), (1.0, 1.0)),
        ],
    )
    def test_fits_the_library(self, library, height, width, scale, ratio, monkeypatch):
        build, draw = {
            "torchvision": (erasing_law, self.torchvision),
            "kornia": (kornia_erasing_law, self.kornia),
            "albumentations": (albumentations_erasing_law, self.albumentations),
        }[library]
        monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
        law = build(height, width, 1.0, scale, ratio)
        check_draws(law, draw(height, width, scale, ratio))

    @staticmethod
    def torchvision(height, width, scale, ratio):
        from torchvision.transforms import v2

        torch.manual_seed(height * width)
        transform = v2.RandomErasing(1.0, scale, ratio)
        boxes, drawn = torchvision_draws(transform, height, width)
        boxes[[d["v"] is None for d in drawn]] = 0
        return boxes

    @staticmethod
    def kornia(height, width, scale, ratio):
        from kornia.augmentation.random_generator import RectangleEraseGenerator

        torch.manual_seed(height * width)
        drawn = RectangleEraseGenerator(scale, ratio)((2 * DRAWS, 3, height, width))
        return torch.stack([drawn[k] for k in ("ys", "xs", "heights", "widths")], 1).numpy()

    @staticmethod
    def albumentations(height, width, scale, ratio):
        import albumentations

        erasing = albumentations.Erasing(scale, ratio, p=1.0)
        erasing.set_random_seed(height * width)
        params, boxes = {"shape": (height, width, 3)}, np.zeros((DRAWS, 4))
        for box in boxes:
            for x0, y0, x1, y1 in erasing.get_params_dependent_on_data(params, {})["holes"]:
                box[:] = y0, x0, y1 - y0, x1 - x0
        return boxes

    @pytest.mark.parametrize("build", [erasing_law, kornia_erasing_law, albumentations_erasing_law])
    def test_probability_scales_the_coverage(self, build):
        always, often = build(12, 9, p=1.0), build(12, 9, p=0.3)
        np.testing.assert_allclose(often.coverage(), 0.3 * always.coverage(), rtol=1e-12)
        assert build(12, 9, p=0.0).count == 1

    def test_coverage_is_what_torchvision_erases(self):
        """60,000 images; the largest of 35 |z| has to stay below 4.5."""
        from torchvision.transforms import v2

        torch.manual_seed(1)
        transform, ones, n = v2.RandomErasing(0.8), torch.ones(1, 7, 5), DRAWS
        erased = sum(1 - transform(ones) for _ in range(n))[0].double().numpy() / n
        truth = erasing_law(7, 5, 0.8).coverage()
        z = (erased - truth) / np.sqrt(truth * (1 - truth) / n)
        assert np.abs(z).max() < 4.5, z

    def test_joint_coverage_is_what_kornia_erases(self):
        """400,000 images; the largest of 400 |z| has to stay below 5."""
        from kornia.augmentation import RandomErasing

        torch.manual_seed(2)
        n = 400_000
        erased = (1 - RandomErasing(p=0.6)(torch.ones(n, 1, 4, 5))).reshape(n, 20).double()
        found = (erased.T @ erased / n).numpy()
        truth = kornia_erasing_law(4, 5, 0.6).joint_coverage()
        z = (found - truth) / np.sqrt(truth * (1 - truth) / n + 1e-12)
        assert np.abs(z).max() < 5

    def test_areas_that_albumentations_cannot_fit_are_never_erased(self):
        law = albumentations_erasing_law(4, 40, 1.0, (0.5, 0.6), (1.0, 2.0))
        np.testing.assert_array_equal(law.atoms().points, np.zeros((1, 4)))

    @pytest.mark.parametrize("build", [erasing_law, kornia_erasing_law, albumentations_erasing_law])
    def test_impossible_arguments_are_refused(self, build):
        with pytest.raises(LawError, match="not a probability"):
            build(4, 4, 1.5)
        with pytest.raises(LawError, match="Swap the two"):
            build(4, 4, 1.0, (0.5, 0.1))
        with pytest.raises(LawError, match="ratio must be positive"):
            build(4, 4, 1.0, (0.1, 0.5), (-1, 1))

    def test_torchvision_wants_at_most_the_whole_image(self):
        with pytest.raises(LawError, match="at most 1"):
            erasing_law(4, 4, 1.0, (0.1, 1.5))


class TestCutMix:
    @pytest.mark.parametrize(
        ("height", "width", "alpha"),
        [
            (32, 32, 1.0),
            (6, 4, 0.05),
            pytest.param(9, 14, 0.3, marks=pytest.mark.slow),
            pytest.param(7, 1, 5.0, marks=pytest.mark.slow),
        ],
    )
    def test_fits_torchvision(self, height, width, alpha):
        from torchvision.transforms import v2

        torch.manual_seed(height * width)
        transform = v2.CutMix(alpha=alpha, num_classes=2)
        image = [torch.zeros(2, 3, height, width)]
        drawn = [transform.make_params(image) for _ in range(DRAWS)]
        x0, y0, x1, y1 = np.array([d["box"] for d in drawn]).T
        law = cutmix_law(height, width, alpha)
        check_draws(law, np.column_stack([y0, x0, y1 - y0, x1 - x0]))
        lam = np.array([d["lam_adjusted"] for d in drawn])
        truth = 1 - law.area_moment() / (height * width)
        assert abs(lam.mean() - truth) <= 4 * lam.std() / np.sqrt(DRAWS)

    def test_impossible_arguments_are_refused(self):
        with pytest.raises(LawError, match="positive"):
            cutmix_law(4, 4, 0)
        with pytest.raises(LawError, match="whole sides"):
            cutmix_law(0, 4)


class TestShift:
    @pytest.mark.parametrize(("size", "fraction"), [(32, 0.1), (20, 0.125), (7, 1.0), (8, 0.05)])
    def test_fits_torchvision(self, size, fraction):
        from torchvision.transforms import v2

        torch.manual_seed(size)
        transform = v2.RandomAffine(0, translate=(fraction, 0))
        image = [torch.zeros(1, 3, size)]
        drawn = [transform.make_params(image)["translate"][0] for _ in range(DRAWS)]
        law = torchvision_shift_law(size, fraction)
        points, weights = law.atoms
        assert set(drawn) <= set(points.astype(int).tolist())
        p = chi_squared([drawn.count(int(k)) for k in points], weights * DRAWS)
        assert p > 1e-4, p

    def test_none_and_impossible(self):
        assert torchvision_shift_law(9, 0).atoms.points.tolist() == [0]
        assert torchvision_shift_law(3, 0.5).atoms.points.tolist() == [-1, 0, 1]
        with pytest.raises(LawError, match="not a probability"):
            torchvision_shift_law(9, 1.5)
        with pytest.raises(LawError, match="whole number from 1"):
            torchvision_shift_law(0, 0.5)

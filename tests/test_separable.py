"""Operators on rows and columns against torchvision and PyTorch, and their exact averages."""

import numpy as np
import pytest
import torch
from torch.nn import functional as nn
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

import augmoments as am
from augmoments.errors import InputError, LawError, NotEnoughMemoryError, PolicyError
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.crops import resized_crop_law
from augmoments.operators import kronecker
from augmoments.operators.averages import (
    expected_blur,
    expected_crop,
    expected_crop_resize,
)
from augmoments.operators.base import outer
from augmoments.operators.blur import Blur
from augmoments.operators.crop import CenterCrop, Crop, Pad
from augmoments.operators.interpolation import Interpolation
from augmoments.operators.kronecker import KroneckerSum
from augmoments.operators.resize import CropResize, Resize

EXACT = 1e-12
SMOOTH = [("bilinear", True), ("bilinear", False), ("bicubic", True), ("bicubic", False)]
NEAREST = [("nearest", False), ("nearest-exact", False)]
MODES = {mode.value: mode for mode in InterpolationMode}
NONE = torch.zeros(1, 0)

smooth = pytest.mark.parametrize(("mode", "antialias"), SMOOTH)
every = pytest.mark.parametrize(("mode", "antialias"), SMOOTH + NEAREST)


def image(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def agree(ours, theirs, atol=EXACT):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


def boxes(height, width, count, seed=0):
    g = torch.Generator().manual_seed(seed)
    size = torch.stack([torch.randint(1, s + 1, (count,), generator=g) for s in (height, width)], 1)
    room = torch.tensor([height, width]) - size + 1
    corner = (torch.rand(count, 2, generator=g) * room).floor()
    return torch.cat([corner, size], 1).double()


@every
@pytest.mark.parametrize("size", [(7, 5), (1, 1), (24, 20), (33, 50)], ids=str)
def test_crop_resize_is_resized_crop(mode, antialias, size):
    operator = CropResize(size, Interpolation.of(mode, antialias))
    dtype = torch.float64 if (mode, antialias) in SMOOTH else torch.float32
    x, theta = image(40, 2, 3, 24, 31, dtype=dtype), boxes(24, 31, 40)
    theta[0] = torch.tensor([0, 0, 24, 31])
    ours = operator(x, theta)
    assert ours.shape == (40, 2, *operator.output_shape((3, 24, 31)))
    for images, box, out in zip(x, theta.long().tolist(), ours, strict=True):
        agree(out, F.resized_crop(images, *box, list(size), MODES[mode], antialias))


def test_crop_resize_reads_nothing_outside_of_the_box():
    x = image(1, 1, 1, 9, 9)
    y = x.clone()
    y[..., 2:6, 3:5] += 1
    operator = CropResize((8, 8), Interpolation.of("bicubic", True))
    box = torch.tensor([[2.0, 3, 4, 2]])
    agree(operator(y, box), operator(x, box) + 1)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(1, 7), (13, 1), (20, 4)], ids=str)
def test_aligned_corners(mode, size):
    operator = CropResize(size, Interpolation.of(mode, False, align_corners=True))
    x, theta = image(20, 1, 2, 9, 12), boxes(9, 12, 20)
    for images, box, out in zip(x, theta, operator(x, theta), strict=True):
        top, left, height, width = box.long().tolist()
        cut = images[..., top : top + height, left : left + width]
        agree(out, nn.interpolate(cut, size=size, mode=mode, align_corners=True))


@smooth
def test_every_pair_of_sizes(mode, antialias):
    weights = Interpolation.of(mode, antialias)
    for size in range(1, 40):
        axis = torch.eye(size, dtype=torch.float64)[:, None, None]
        for out in (1, 2, 3, 8, 17, 39, 64):
            theirs = nn.interpolate(axis, (1, out), mode=mode, antialias=antialias)[:, 0, 0].T
            start = torch.zeros(1)
            agree(weights.matrices(start, start + size, size, out)[0], theirs)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_ties_fall_as_for_float32_images(mode):
    weights = Interpolation.of(mode, True)
    for size in range(1, 60):
        axis = torch.arange(size, dtype=torch.float32).expand(1, 3, size, size).contiguous()
        for out in range(1, 80):
            theirs = nn.interpolate(axis, (out, out), mode=mode)
            matrix = weights.matrices(torch.zeros(1), torch.full((1,), size), size, out)[0]
            agree(matrix @ torch.arange(size).double(), theirs[0, 0, 0].double())


RESIZES = [(5, None), (13, None), (16, None), (16, 17), (7, 9), ((9, 30), None), ((16, 23), None)]
RESIZES += [(None, 11), (None, 40)]


@every
@pytest.mark.parametrize(
    ("size", "max_size"),
    RESIZES,
    ids=str,
)
@pytest.mark.parametrize("shape", [(3, 16, 23), (1, 23, 16), (2, 16, 16)], ids=str)
def test_resize(mode, antialias, size, max_size, shape):
    operator = Resize(size, Interpolation.of(mode, antialias), max_size)
    dtype = torch.float64 if (mode, antialias) in SMOOTH else torch.float32
    x = image(2, *shape, dtype=dtype)
    sizes = [size] if isinstance(size, int) else size
    theirs = F.resize(x, sizes, MODES[mode], max_size, antialias)
    assert operator.output_shape(shape) == tuple(theirs.shape[1:])
    agree(operator(x[None], NONE)[0], theirs)
    agree(operator(outer(x, 3), torch.zeros(3, 0))[2], theirs)


def test_resize_refuses():
    linear = Interpolation.of("bilinear", True)
    with pytest.raises(InputError, match="must exceed"):
        Resize(5, linear, 5)
    with pytest.raises(InputError, match="pair"):
        Resize((5, 5), linear, 9)
    with pytest.raises(InputError, match="max_size or both"):
        Resize(None, linear)
    with pytest.raises(PolicyError, match="too long"):
        Resize(None, linear, 3).check_shape((1, 1, 9))
    with pytest.raises(InputError, match="lanczos"):
        Interpolation.of(InterpolationMode.LANCZOS, True)
    with pytest.raises(InputError, match="align_corners"):
        Interpolation.of("bilinear", True, align_corners=True)


@pytest.mark.parametrize("shape", [(3, 8, 11), (1, 7, 7), (2, 1, 4)], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 5), (7, 12), (8, 11), (12, 3), (13, 14)])
def test_center_crop(shape, size):
    x = image(2, *shape)
    theirs = F.center_crop(x, list(size))
    assert CenterCrop(size).output_shape(shape) == tuple(theirs.shape[1:])
    agree(CenterCrop(size)(x[None], NONE)[0], theirs, 0)


PADS = [("constant", 0.0), ("constant", 0.3), ("constant", (0.125, 0.25, 0.75))]
PADS += [("edge", 0.0), ("reflect", 0.5), ("symmetric", 0.0)]
pads = pytest.mark.parametrize(("mode", "fill"), PADS, ids=str)


def torchvision_fill(fill):
    return list(fill) if isinstance(fill, tuple) else fill


@pads
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 2, 3, 4), (5, 0, 0, 2)], ids=str)
def test_pad_and_crop(mode, fill, padding):
    x = image(2, 3, 6, 8)
    framed = F.pad(x, list(padding), torchvision_fill(fill), mode)
    agree(Pad(padding, fill, mode)(x[None], NONE)[0], framed, 0)
    assert Pad(padding, fill, mode).output_shape((3, 6, 8)) == tuple(framed.shape[1:])
    operator = Crop((5, 6), padding, fill, mode)
    tops, lefts = operator.corners((3, 6, 8))
    theta = torch.cartesian_prod(torch.arange(tops), torch.arange(lefts)).double()
    ours = operator(outer(x, len(theta)), theta)
    for out, (top, left) in zip(ours, theta.long().tolist(), strict=True):
        agree(out, F.crop(framed, top, left, 5, 6), 0)


@pads
def test_crop_pads_if_needed(mode, fill):
    operator = Crop((9, 10), (1, 0, 0, 2), fill, mode, pad_if_needed=True)
    x = image(3, 6, 8)
    reference = v2.RandomCrop((9, 10), (1, 0, 0, 2), True, torchvision_fill(fill), mode)
    assert operator.corners((3, 6, 8)) == (2, 2)
    for seed in range(8):
        torch.manual_seed(seed)
        params = reference.make_params([x])
        theta = torch.tensor([[params["top"], params["left"]]]).double()
        agree(operator(x[None, None], theta)[0, 0], reference.transform(x, params), 0)


def test_frames_that_do_not_fit_are_refused():
    for mode, most in (("reflect", 5), ("symmetric", 6)):
        Pad((most, 0, 0, most), 0.0, mode).check_shape((1, 6, 6))
        with pytest.raises(PolicyError, match=f"at most {most}"):
            Pad((0, most + 1, 0, 0), 0.0, mode).check_shape((1, 6, 6))
    with pytest.raises(PolicyError, match="does not fit"):
        Crop((7, 3)).check_shape((1, 6, 6))
    with pytest.raises(PolicyError, match="3 values"):
        Pad((1, 1, 1, 1), (0.0, 0.1, 0.2)).check_shape((1, 6, 6))
    with pytest.raises(InputError, match="negative"):
        Pad((1, -1, 1, 1))
    with pytest.raises(InputError, match="padding_mode"):
        Pad((1, 1, 1, 1), 0.0, "wrap")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kernel_size", [(1, 1), (3, 3), (3, 7), (9, 5)], ids=str)
@pytest.mark.parametrize("shape", [(3, 6, 8), (1, 5, 5)], ids=str)
def test_blur(kernel_size, shape):
    operator = Blur(kernel_size)
    sigma = torch.tensor([[1e-3], [0.1], [0.73], [2.0], [50.0]], dtype=torch.float64)
    x = image(2, *shape)
    operator.check_shape(shape)
    for out, s in zip(operator(outer(x, 5), sigma), sigma[:, 0].tolist(), strict=True):
        agree(out, F.gaussian_blur(x, list(kernel_size), [s]))


def test_blur_refuses():
    with pytest.raises(PolicyError, match="width is only 3"):
        Blur((7, 3)).check_shape((1, 9, 3))
    with pytest.raises(PolicyError, match="height is only 3"):
        Blur((3, 7)).check_shape((1, 3, 9))
    with pytest.raises(InputError, match="odd"):
        Blur((4, 3))


OPERATORS = [
    (CropResize((5, 6), Interpolation.of("bilinear", True)), boxes(7, 8, 4)),
    (Resize(9, Interpolation.of("bicubic", True)), torch.zeros(4, 0)),
    (CenterCrop((9, 3)), torch.zeros(4, 0)),
    (Crop((5, 4), (1, 2, 0, 1), 0.4), torch.tensor([[0.0, 1], [5, 5], [2, 0], [3, 3]])),
    (Pad((1, 2, 3, 0), 0.0, "symmetric"), torch.zeros(4, 0)),
    (Blur((5, 3)), torch.tensor([[0.3], [1.0], [2.0], [0.1]]).double()),
]


@pytest.mark.parametrize(("operator", "theta"), OPERATORS, ids=lambda o: type(o).__name__)
def test_conventions(operator, theta):
    x = image(4, 2, 3, 7, 8)
    full = operator(x, theta)
    assert full.shape == (4, 2, *operator.output_shape((3, 7, 8)))
    agree(operator.linear(x, theta) + operator.offset(theta, x), full)
    rows, columns = operator.matrices(theta.double(), (3, 7, 8))
    agree(operator.linear(x, theta), torch.einsum("bih,bnchw,bjw->bncij", rows, x, columns))
    shared = outer(x[0], 4)
    agree(operator(shared, theta), operator(shared.clone(), theta))
    single = operator(x.float(), theta)
    assert single.dtype == torch.float32
    agree(single.double(), full, 1e-6)
    mirrored = operator(x.flip(-1).flip(-2), theta).flip(-1).flip(-2)
    assert not operator.mirrors or torch.allclose(mirrored, full, atol=EXACT)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: operator(z, theta), x[:, :1, :1, :, :])


def terms(count=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    shapes = ((count, 4, 7), (count, 6, 5))
    return KroneckerSum(*(torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes))


@pytest.mark.parametrize("limits", [(1 << 24, 1 << 20), (1 << 24, 100), (1, 1), (400, 84)], ids=str)
def test_a_kronecker_sum_in_blocks(limits, monkeypatch):
    monkeypatch.setattr(kronecker, "_LINES", limits[0])
    monkeypatch.setattr(kronecker, "_WIDE", limits[1])
    mean, x, y = terms(), image(3, 2, 7, 5), image(3, 2, 4, 6, seed=1)
    agree(mean.apply(x), torch.einsum("rih,nchw,rjw->ncij", mean.rows, x, mean.columns))
    agree((mean.apply(x) * y).sum(), (x * mean.transpose(y)).sum(), 1e-10)
    agree(mean.mask(), mean.apply(torch.ones(1, 1, 7, 5).double())[0, 0])
    agree(mean.apply(x.float()).double(), mean.apply(x), 1e-4)
    assert mean.apply(x.half()).dtype == torch.half
    assert torch.autograd.gradcheck(mean.apply, x[:1].requires_grad_())


def test_matrix_of_a_kronecker_sum():
    x = image(2, 1, 7, 5)
    for count in (1, 5):
        mean = terms(count)
        assert mean.matrix().shape == (24, 35)
        agree(
            torch.from_numpy(mean.matrix() @ x.reshape(2, 35).numpy().T).T, mean.apply(x).flatten(1)
        )
    corner = expected_crop(Crop((40, 40), (4, 4, 4, 4)), (1, 40, 40))
    assert corner.matrix().nnz == (9 * 40 - 20) ** 2
    dense = torch.ones(1, 1 << 10, 1 << 10).double().expand(2, -1, -1)
    with pytest.raises(NotEnoughMemoryError):
        KroneckerSum(dense, dense).matrix()


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_a_table_takes_as_many_terms_as_its_rank(rank):
    table = image(6, rank) @ image(rank, 8, seed=1)
    rows, columns, x = image(6, 4, 7), image(8, 3, 5), image(1, 1, 7, 5)
    mean = KroneckerSum.of_table(table, rows, columns)
    assert len(mean.rows) in (rank, rank + 1)
    agree(mean.apply(x), torch.einsum("kl,kih,nchw,ljw->ncij", table, rows, x, columns))


@every
@pytest.mark.parametrize("ratio", [(3 / 4, 4 / 3), (0.1, 0.3)], ids=str)
def test_expected_resized_crop_by_enumeration(mode, antialias, ratio):
    law = resized_crop_law(7, 11, (0.2, 0.9), ratio)
    operator = CropResize((6, 5), Interpolation.of(mode, antialias))
    x = image(3, 7, 11)
    theirs = torch.zeros(3, 6, 5, dtype=torch.float64)
    for box, weight in zip(*law.atoms(), strict=True):
        corners = [int(side) for side in box]
        theirs += weight * F.resized_crop(x, *corners, [6, 5], MODES[mode], antialias)
    agree(expected_crop_resize(operator, law, (3, 7, 11)).apply(x[None])[0], theirs)


def test_expected_resized_crop_against_sums_over_sizes():
    law = resized_crop_law(32, 28)
    operator = CropResize((40, 36), Interpolation.of("bilinear", True))
    points, weights = (torch.from_numpy(part) for part in law.atoms())
    sizes, which = points[:, 2:].unique(dim=0, return_inverse=True)
    x = image(1, 32, 28)
    theirs = torch.zeros(1, 40, 36, dtype=torch.float64)
    for size in range(len(sizes)):
        chosen = which == size
        rows, columns = operator.matrices(points[chosen], (1, 32, 28))
        theirs += torch.einsum("k,kih,chw,kjw->cij", weights[chosen], rows, x, columns)
    agree(expected_crop_resize(operator, law, (1, 32, 28)).apply(x[None])[0], theirs)


def test_expected_resized_crop_refuses():
    operator = CropResize((4, 4), Interpolation.of("bilinear", True))
    with pytest.raises(LawError, match="images of"):
        expected_crop_resize(operator, resized_crop_law(8, 9), (3, 9, 8))
    one = np.ones(1)
    empty = BoxLaw((8, 8), 0 * one, 0 * one, one, np.array([[0, 1]]), np.array([[0, 1]]))
    with pytest.raises(LawError, match="without pixels"):
        expected_crop_resize(operator, empty, (3, 8, 8))


@pytest.mark.slow
def test_expected_resized_crop_of_a_photo():
    law = resized_crop_law(256, 256)
    operator = CropResize((224, 224), Interpolation.of("bilinear", True))
    mean = expected_crop_resize(operator, law, (3, 256, 256))
    x, some = image(3, 256, 256), torch.tensor([0, 57, 223])
    averages = {}

    def average(length, first, count):
        if (length, first, count) not in averages:
            place = torch.arange(first, first + count)
            each = operator.interpolation.matrices(place, 0 * place + length, 256, 224)
            averages[length, first, count] = each[:, some].mean(0)
        return averages[length, first, count]

    theirs = torch.zeros(3, 3, 3, dtype=torch.float64)
    sizes = zip(law.heights, law.widths, law.probabilities, law.tops, law.lefts, strict=True)
    for height, width, p, top, left in sizes:
        theirs += p * (average(height, *top) @ x @ average(width, *left).T)
    agree(mean.apply(x[None])[0][:, some][:, :, some], theirs)


@pads
def test_expected_crop(mode, fill):
    operator = Crop((5, 6), (1, 2, 3, 4), fill, mode)
    x = image(3, 6, 8)
    mean = expected_crop(operator, (3, 6, 8))
    framed = F.pad(x, [1, 2, 3, 4], torchvision_fill(fill), mode)
    windows = framed.unfold(1, 5, 1).unfold(2, 6, 1)
    offset = operator.fill_like(x) * (1 - mean.mask())
    agree(mean.apply(x[None])[0] + offset, windows.mean((1, 2)))


@pytest.mark.parametrize("kernel_size", [(5, 9), (7, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("low", [0.1, 0.5])
def test_expected_blur(kernel_size, low):
    x = image(2, 3, 12, 10)
    nodes, shares = np.polynomial.legendre.leggauss(300)
    sigmas = (low + 2) / 2 + (2 - low) / 2 * nodes
    each = [F.gaussian_blur(x, list(kernel_size), [s]) for s in sigmas.tolist()]
    theirs = sum(w / 2 * blurred for w, blurred in zip(shares.tolist(), each, strict=True))
    mean = expected_blur(Blur(kernel_size), am.Uniform(low, 2), (3, 12, 10))
    assert len(mean.rows) <= max(kernel_size) // 2 + 1
    agree(mean.apply(x), theirs, 1e-13)
    some = am.Discrete([0.3, 1.0, 2.0], [0.2, 0.5, 0.3])
    theirs = sum(
        w * F.gaussian_blur(x, list(kernel_size), [s])
        for s, w in zip(some.values, some.probabilities or (), strict=True)
    )
    agree(expected_blur(Blur(kernel_size), some, (3, 12, 10)).apply(x), theirs)


@pytest.mark.parametrize(
    "law",
    [am.Uniform(0, 2), am.LogUniform(0.1, 5), am.Triangular(0.1, 3, 0.5), am.Beta(2, 2)],
    ids=str,
)
def test_expected_blur_under_other_laws(law):
    x, operator = image(1, 1, 9, 9), Blur((5, 3))
    sigma = torch.from_numpy(law.ppf((np.arange(20000) + 0.5) / 20000))[:, None]
    rows, columns = operator.matrices(sigma, (1, 9, 9))
    theirs = torch.einsum("kih,nchw,kjw->ncij", rows, x, columns) / 20000
    agree(expected_blur(operator, law, (1, 9, 9)).apply(x), theirs, 1e-5)


def test_expected_blur_refuses():
    for law in (am.Uniform(-1, 1), am.Discrete([0.0, 1.0]), am.Discrete([-1.0, 1.0])):
        with pytest.raises(LawError, match="positive"):
            expected_blur(Blur((3, 3)), law, (1, 8, 8))

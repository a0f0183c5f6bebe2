"""Implicit covariances against the matrices that they stand for."""

from __future__ import annotations

import torch
from torch import Tensor

from augmoments.calculus.covariance import Covariance
from augmoments.testing.common import assert_close, require


def check_covariance(covariance: Covariance, *, seed: int = 0, rtol: float | None = None) -> None:
    """All that an implicit covariance offers agrees with its dense matrix, and it is PSD.

    Args:
        covariance: What :func:`augmoments.moments` gives; small, the matrices are formed.
        seed: Seed of the random vectors.
        rtol: Difference allowed, relative to the trace; 1e5 times the dtype's rounding if omitted.
    """
    dense = covariance.dense()
    count, size, _ = covariance.shape
    image_shape = covariance.factor.shape[2:]
    trace = dense.diagonal(dim1=1, dim2=2).sum(1)
    eps = torch.finfo(dense.dtype).eps
    scale = (1e5 * eps if rtol is None else rtol) * float(trace.max()) + 1e-300
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, size, 4, generator=generator, dtype=torch.float64).to(dense)
    z = z / z.norm(dim=1, keepdim=True)
    want = dense @ z
    pairs = {
        "V @ matrix": (covariance @ z, want),
        "V @ vector": (covariance @ z[..., 0], want[..., 0]),
        "V @ images": (
            (covariance @ z[..., 0].reshape(count, *image_shape)).flatten(1),
            want[..., 0],
        ),
        "diagonal": (covariance.diagonal().flatten(1), dense.diagonal(dim1=1, dim2=2)),
        "trace": (covariance.trace(), trace),
        "Frobenius norm": (covariance.frobenius_norm(), dense.flatten(1).norm(dim=1)),
        "root": (covariance.root() @ covariance.root().mT, dense),
        "transpose": (dense.mT, dense),
    }
    for what, (got, expected) in pairs.items():
        assert_close(got, expected, scale, what)
    for n in range(count):
        product = torch.from_numpy(covariance.to_scipy(n) @ z[n].cpu().double().numpy())
        assert_close(product.to(want), want[n], scale, f"to_scipy({n})")
    for k in sorted({1, min(3, size), size}):
        _check_eigenpairs(covariance, dense, k, scale)
    lowest = torch.linalg.eigvalsh(dense.double())[:, 0]
    require(lowest.min() >= -scale, f"an eigenvalue of {float(lowest.min()):.3g} is negative")


def _check_eigenpairs(covariance: Covariance, dense: Tensor, k: int, scale: float) -> None:
    count = len(dense)
    values, vectors, _ = covariance.eigh(k)
    flat = vectors.reshape(count, k, -1)
    require(values.shape == (count, k), f"eigh({k}) gives values of {tuple(values.shape)}")
    require((values >= 0).all(), f"eigh({k}) gives the eigenvalue {float(values.min()):.3g}")
    require((values.diff(dim=1) <= 0).all(), f"the values of eigh({k}) do not descend: {values}")
    identity = torch.eye(k, dtype=flat.dtype, device=flat.device).expand(count, k, k)
    loose = 1e6 * torch.finfo(flat.dtype).eps
    assert_close(flat @ flat.mT, identity, loose, f"Gram matrix of the vectors of eigh({k})")
    assert_close(dense @ flat.mT, flat.mT * values[:, None], scale, f"V q and lambda q, eigh({k})")
    reference = torch.linalg.eigvalsh(dense.double()).flip(1)[:, :k]
    assert_close(values, reference.to(values), scale, f"eigenvalues of eigh({k})")

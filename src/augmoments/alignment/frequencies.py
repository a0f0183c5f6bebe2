r"""How the energy of a saliency map is spread over spatial frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.checks import check_images
from augmoments.errors import InputError

BANDS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class RadialEnergy:
    r"""Energy by radial spatial frequency, in units of the Nyquist frequency.

    Attributes:
        edges: Between which frequencies the B bands lie, ``B + 1`` numbers from 0 to the corner of
            the spectrum, :math:`\sqrt2`.
        energy: Energy of every band, ``(N, B)``; sums to :math:`\|g\|^2` (Parseval).
        average: Mean energy of a single frequency of every band, ``(N, B)``: the radially averaged
            power spectrum. 0 where a band has none.
        low: Share of the energy below a quarter of Nyquist, ``(N,)``; 0 for maps of zeros.
        high: Share of the energy from there on, ``(N,)``.
        mean_frequency: Mean of the frequency, weighted by energy, ``(N,)``.
    """

    edges: tuple[float, ...]
    energy: Tensor
    average: Tensor
    low: Tensor
    high: Tensor
    mean_frequency: Tensor


def radial_energy(
    saliency: Float[Tensor, "N C H W"], bands: Sequence[float] = BANDS
) -> RadialEnergy:
    r"""Energy of saliency maps by the radius of the spatial frequency.

    With the unitary discrete Fourier transform :math:`\hat g` of each channel, the energy of a
    frequency :math:`(f_y, f_x)` in cycles a pixel is :math:`|\hat g(f)|^2`, summed over the
    channels, and its radius :math:`2 \sqrt{f_y^2 + f_x^2}`: 1 is the Nyquist frequency along an
    axis, :math:`\sqrt2` the corner.

    Args:
        saliency: Maps ``(N, C, H, W)`` or ``(C, H, W)``, any finite values.
        bands: Edges between the bands, increasing, within (0, 1.41). A band has its lower edge.

    Returns:
        :class:`RadialEnergy`, in float64.

    Raises:
        InputError: Maps of another shape or with values that are not finite, or edges that do not
            increase.

    Example:
        >>> import torch
        >>> from augmoments.alignment import radial_energy
        >>> stripes = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 1, 8, 8)
        >>> found = radial_energy(stripes)
        >>> float(found.mean_frequency), float(found.high), float(found.energy.sum())
        (1.0, 1.0, 64.0)
    """
    maps = check_images(saliency, value_range=None, name="saliency").detach().double()
    edges = (0.0, *map(float, bands), 2**0.5)
    if any(not a < b for a, b in pairwise(edges)):
        raise InputError(f"bands must increase between 0 and 1.41, got {tuple(bands)}.")
    power = torch.fft.fft2(maps, norm="ortho").abs().square().sum(1).flatten(1)
    axes = [2 * torch.fft.fftfreq(n, dtype=maps.dtype, device=maps.device) for n in maps.shape[2:]]
    radius = torch.hypot(axes[0][:, None], axes[1]).flatten()
    place = torch.bucketize(radius, radius.new_tensor(edges[1:-1]), right=True)
    one_hot = torch.nn.functional.one_hot(place, len(edges) - 1).to(power)
    total, energy = power.sum(1), power @ one_hot
    scale = torch.where(total > 0, total, 1.0)
    some = total > 0
    low = (power @ (radius < 0.25).to(power)) / scale
    return RadialEnergy(
        edges=edges,
        energy=energy,
        average=energy / one_hot.sum(0).clamp_min(1),
        low=low,
        high=torch.where(some, 1 - low, 0.0),
        mean_frequency=power @ radius / scale,
    )

r"""How many augmented samples are needed to be right to a given error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.moments import Moments
from augmoments.losses.loss import Sampled
from augmoments.losses.models import Model
from augmoments.sample_size import images as of_images
from augmoments.sample_size import scalars
from augmoments.sample_size.question import Question, check_choice, check_share, checked_images
from augmoments.sample_size.result import Bound, Quantity, SampleSize

_ANSWERS: dict[str, Callable[[Question], SampleSize]] = {
    "mean": of_images.mean,
    "covariance": of_images.covariance,
    "loss": scalars.loss,
}
_BOUNDS = ("clt", "chebyshev", "bernstein")


def samples_needed(
    images: Float[Tensor, "N C H W"],
    policy: Policy,
    of: Quantity = "mean",
    rel_error: float = 0.01,
    confidence: float = 0.95,
    bound: Bound = "clt",
    *,
    simultaneous: bool = False,
    model: Model | None = None,
    loss: str | nn.Module | Sampled | None = None,
    targets: Tensor | None = None,
    loss_range: tuple[float, float] | None = None,
    given: Moments | None = None,
    tol: float = 1e-3,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> SampleSize:
    r"""How many augmented samples of each image are needed.

    With n independent draws and relative error e:

    - ``"mean"``: :math:`n = \mathrm{tr} V / (e^2 \|\mu\|^2)`;
    - ``"covariance"``, by the unbiased estimate :math:`S_n`:
      :math:`E\|S_n - V\|_F^2 = \frac{m_4 - \|V\|_F^2}{n} +
      \frac{(\mathrm{tr} V)^2 + \|V\|_F^2}{n (n - 1)}` with :math:`m_4 = E\|T(x) - \mu\|^4`;
    - ``"loss"``: :math:`n = z^2 \mathrm{Var}\,\ell / (e\,E\ell)^2` with the two-sided normal
      quantile z (``"clt"``), :math:`1 / (1 - \mathrm{confidence})` for its square
      (``"chebyshev"``, which holds for any law), or :math:`n = \ln(2/\delta) (2
      \mathrm{Var}\,\ell + \tfrac23 M t) / t^2` with :math:`t = e |E\ell|`, :math:`\delta = 1 -
      \mathrm{confidence}` and losses within M of their mean (``"bernstein"``).

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        of: ``"mean"``, ``"covariance"`` or ``"loss"``.
        rel_error: Relative error asked for.
        confidence: Of scalars: how sure to be.
        bound: Of scalars: ``"clt"``, ``"chebyshev"`` or ``"bernstein"``.
        simultaneous: Of scalars: whether to be that sure of all images at once (a union bound: each
            may fail with a share ``1 / N`` of the risk).
        model: For ``"loss"``: as in :func:`expected_loss`.
        loss: For ``"loss"``: as in :func:`expected_loss`.
        targets: For ``"loss"``: classes ``(N,)`` or real values ``(N, K)``.
        loss_range: For ``"bernstein"``: the smallest and the largest value that the loss can
            have. It is found where the outcomes of the policy can be enumerated.
        given: Moments of these images under this policy, where they are known already; ``tol`` is
            then that of these.
        tol: Relative error asked of the moments behind the answer.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Returns:
        :class:`SampleSize` with ``.n`` ``(N,)``, ``.summary()`` and ``.predicted_error(n)``.

    Raises:
        InputError: An unknown quantity or bound, an error or confidence outside (0, 1), or a
            model, loss or targets that are missing.
        PolicyError: The policy does not take images of this shape, or mixes those of a batch.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> am.samples_needed(image, am.RandomHorizontalFlip(), of="mean", rel_error=0.1).n
        tensor([100.], dtype=torch.float64)

    Reference:
        Balestriero, Misra, LeCun (2022), section 2.4.
    """
    batch = checked_images(images, value_range)
    check_choice("of", of, tuple(_ANSWERS))
    check_choice("bound", bound, _BOUNDS)
    check_share("rel_error", rel_error)
    check_share("confidence", confidence)
    policy = as_policy(policy)
    shape: Any = tuple(batch.shape[1:])
    policy.outcomes(shape)  # refuses policies that mix the images of a batch
    question = Question(
        images=batch,
        policy=policy,
        rel_error=rel_error,
        confidence=confidence,
        bound=bound,
        simultaneous=simultaneous,
        model=model,
        loss=loss,
        targets=targets,
        loss_range=loss_range,
        given=given,
        tol=tol,
        seed=seed,
        max_nodes=max_nodes,
    )
    return _ANSWERS[of](question)

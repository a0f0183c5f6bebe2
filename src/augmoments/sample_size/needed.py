r"""How many augmented samples are needed to be right to a given error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.averaging.classifier import Average
from augmoments.calculus.moments import Moments
from augmoments.checks import check_images
from augmoments.losses.loss import Sampled
from augmoments.losses.models import Model
from augmoments.options import check_count, check_numerics, check_share
from augmoments.sample_size import images as of_images
from augmoments.sample_size import scalars
from augmoments.sample_size.gradients.answer import gradient
from augmoments.sample_size.parameters.answer import parameters
from augmoments.sample_size.predictions.answer import Until, prediction
from augmoments.sample_size.question import Question, check_choice
from augmoments.sample_size.result import Bound, Quantity, SampleSize
from augmoments.sample_size.views import pairs
from augmoments.sample_size.views.policies import check_views, with_views
from augmoments.sample_size.views.result import PairLoss

_ANSWERS: dict[str, Callable[[Question], SampleSize]] = {
    "mean": of_images.mean,
    "covariance": of_images.covariance,
    "loss": scalars.loss,
    "gradient": gradient,
    "prediction": prediction,
    "parameters": parameters,
}
_BOUNDS = ("clt", "chebyshev", "bernstein")


@torch.no_grad()
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
    batch_size: int | None = None,
    views: int | Sequence[tuple[Policy, int]] | None = None,
    pair_loss: PairLoss | None = None,
    alpha: float = 1e-3,
    until: Until = "error",
    average: Average = "probabilities",
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
      \mathrm{confidence}` and losses within M of their mean (``"bernstein"``). ``.reliable``
      tells where so many draws have a normal average for ``"clt"``, by the skewness of the loss;
      for the other two it always holds. With ``pair_loss``
      the loss is one of two views, and n the views of an image whose pairs have an average that is
      right to e: with :math:`\zeta_1 = \mathrm{Var}\,E[\ell \mid t_1]` and :math:`\zeta_2 =
      \mathrm{Var}\,\ell` it has the variance :math:`\frac{4 \zeta_1}{n} + \frac{2 \zeta_2 - 4
      \zeta_1}{n (n - 1)}`;
    - ``"gradient"``: of the loss with respect to the model's parameters, :math:`n =
      \mathrm{tr}\,\mathrm{Cov}(g_i) / (e^2 \|E g_i\|^2)` for the gradient :math:`g_i` of image i;
      ``.whole`` has the copies of every image for the gradient of their mean loss,
      ``.augmentation_share`` the augmentation's share in the variance of a stochastic gradient, and
      ``.parts`` all this for each parameter tensor;
    - ``"prediction"``: passes of test-time augmentation, for the class c with the largest average
      output :math:`\bar p` in the limit. ``until="error"``: the averaged :math:`\bar p_c` is right
      to :math:`e\,\bar p_c`, by Chebyshev or Bernstein as above; ``until="decision"``: the average
      has the class c. With the gap :math:`g_j = \bar p_c - \bar p_j` to each other class and its
      variance :math:`v_j`, n is the smallest with :math:`\sum_j P_j \le \delta`, where
      :math:`P_j = 1 / (1 + n g_j^2 / v_j)` (``"chebyshev"``, one-sided) or
      :math:`\exp(-n g_j^2 / (2 v_j + \tfrac23 M_j g_j))` with gaps at most :math:`M_j \le 2` below
      their mean (``"bernstein"``). ``"clt"`` does not stop at the normal law here, which is off for
      the skewed laws that probabilities have: tails are followed by their saddlepoint
      approximation (Lugannani and Rice), and up to 32 passes n is the smallest number from which
      on averages drawn from the law of one pass, known at the nodes, are right often enough.

    - ``"parameters"``: copies n of *every* image until ridge regression with a free intercept is as
      if it had seen all augmentations. With the centred second moment :math:`C` of augmented
      images t plus :math:`\alpha I`, their mean m, :math:`r = y - W t - b` and :math:`u = C^{-1}
      (t - m)`, to first order in 1/n

      .. math:: E\|W_n - W\|_F^2 = \frac{1}{n N^2} \sum_i
          \left(E[\|r\|^2 \|u\|^2] - \|E[u r^\top]\|_F^2\right) ;

      for predictions with :math:`u^\top (C - \alpha I) u` in place of :math:`\|u\|^2`, for the
      intercept with :math:`(1 - m^\top u)^2`. See :class:`RidgeSampleSize` for its ``parts`` and
      for how few copies the law holds.

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        of: Which of these quantities.
        rel_error: Relative error asked for.
        confidence: Of scalars: how sure to be.
        bound: Of scalars: ``"clt"``, ``"chebyshev"`` or ``"bernstein"``.
        simultaneous: Of scalars: whether to be that sure of all images at once (a union bound: each
            may fail with a share ``1 / N`` of the risk).
        model: For ``"loss"`` and ``"prediction"``: as in :func:`expected_loss`; for
            ``"gradient"``: a torch module, whose parameters with ``requires_grad`` count.
        loss: For ``"loss"`` and ``"gradient"``: as in :func:`expected_loss`.
        targets: For ``"loss"`` and ``"gradient"``: classes ``(N,)`` or real values ``(N, K)``; for
            ``"parameters"``: whole numbers ``(N,)`` are classes, coded as by
            :class:`AugmentedRidgeClassifier`, real numbers ``(N,)`` or ``(N, K)`` are fitted.
        loss_range: For ``"bernstein"``: the smallest and the largest value that the loss can
            have. It is found where the outcomes of the policy can be enumerated.
        batch_size: For ``views``: images of the mini-batch, 1 if not given.
        views: For ``"loss"`` and ``"gradient"``: ``.views`` of the answer tells what each view up
            to this number takes off the variance of a mini-batch (:class:`Views`). Pairs
            ``(policy, number)`` for views of several policies, as in multi-crop, in place of
            ``policy``; the loss is averaged over all of them.
        pair_loss: For ``"loss"``: a function of the model's outputs ``(n, K)`` for two views of n
            images that gives one value a pair, ``(n,)``, in place of ``loss`` and ``targets``; its
            average over both orders of the views counts.
        alpha: For ``"parameters"``: strength of the penalty, as in :class:`AugmentedRidge`.
        until: For ``"prediction"``: ``"error"``, until the averaged output of the limit's class is
            right to ``rel_error``, or ``"decision"``, until the average has the limit's class.
        average: For ``"prediction"``: ``"probabilities"``, the softmax of the model's output, or
            ``"outputs"``, the output as it is.
        given: Moments of these images under this policy, where they are known already; ``tol`` is
            then that of these.
        tol: Relative error asked of the moments behind the answer; of losses and
            predictions not below 1%, of gradients, parameters and views not below 5%.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        value_range: What the images' values must lie in; ``None`` lifts the check, but that of
            ``"parameters"``, [0, 1].

    Returns:
        :class:`SampleSize` with ``.n`` ``(N,)``, ``.summary()`` and ``.predicted_error(n)``.

    Raises:
        InputError: An unknown quantity or bound, an error or confidence outside (0, 1), or a
            model, loss or targets that are missing.
        ModelError: The model is not a deterministic function of each image, or has no gradients.
        PolicyError: The policy does not take images of this shape, or mixes those of a batch.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> am.samples_needed(image, am.RandomHorizontalFlip(), of="mean", rel_error=0.1).n
        tensor([100.], dtype=torch.float64)

    Reference:
        Balestriero, Misra, LeCun (2022), section 2.4.
    """
    batch = check_images(images, value_range=value_range)
    check_choice("of", of, tuple(_ANSWERS))
    check_choice("bound", bound, _BOUNDS)
    rel_error = check_share("rel_error", rel_error)
    confidence = check_share("confidence", confidence)
    tol, seed, max_nodes = check_numerics(tol, seed, max_nodes)
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
        batch_size=1 if batch_size is None else check_count("batch_size", batch_size),
        views=check_views(views, of, pair_loss),
        pair_loss=pair_loss,
        until=until,
        average=average,
        alpha=alpha,
    )
    if pair_loss is not None:
        return pairs.pair_loss(question)
    answer = _ANSWERS[of](question)
    return answer if question.views is None else with_views(question, answer)

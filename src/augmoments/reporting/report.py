"""The report from Python, in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.checks import check_images, check_targets
from augmoments.data import Dataset
from augmoments.reporting.judges import NO_MODEL, with_model
from augmoments.reporting.output import writable_folder, write
from augmoments.reporting.quantify import quantify
from augmoments.reporting.request import Options, Progress, Request, Subject
from augmoments.reporting.results import Results


@dataclass(frozen=True)
class Report:
    """Results, and the files that say them."""

    results: Results
    html: Path
    json: Path


def report(
    images: Float[Tensor, "N C H W"] | Dataset,
    policy: Policy,
    path: str | Path = "augmoments-report",
    *,
    model: nn.Module | None = None,
    loss: str | None = None,
    targets: Tensor | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write one self-contained ``report.html`` and ``results.json`` about images under a policy.

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)`` in [0, 1], or a dataset from
            :mod:`augmoments.data`, whose labels are then the targets.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        path: The folder to write into; it is tried before anything is computed.
        model: Maps augmented images ``(N, C', H', W')`` to ``(N, K)``; without one there is
            no section on a loss.
        loss: ``"cross_entropy"`` (default) or ``"squared_error"``.
        targets: Classes ``(N,)`` or real values ``(N, K)``.
        options: Tolerance, seed, errors asked for, how many images.
        progress: Called as ``progress(stage, done, total)``.

    Raises:
        InputError: Images or targets that are not what was meant.
        ModelError: The model is not a deterministic function of each image.
        PolicyError: The policy does not take images of this shape.
        OutputError: The folder cannot be written to.

    Example:
        >>> import tempfile, augmoments as am
        >>> images, labels = am.data.digits()
        >>> folder = tempfile.mkdtemp()
        >>> done = report(images[:2], am.RandomTranslation(x=(-1, 1)), folder)
        >>> done.html.name, done.results.subjects[0].obtained[0].method
        ('report.html', 'exact')
    """
    policy = as_policy(policy)
    dataset = (
        images if isinstance(images, Dataset) else Dataset(check_images(images), name="images")
    )
    if targets is not None:
        dataset = replace(dataset, labels=check_targets(targets, len(dataset)))
    if model is None:
        subject = Subject(dataset, None, NO_MODEL)
    else:
        subject = with_model(dataset, model, type(model).__name__, loss)
    with writable_folder(path):
        results = quantify(Request((subject,), policy, options or Options()), progress)
        written = write(results, path)
    return Report(results, written.html, written.json)

"""Moments of a stream, partition by partition."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.dataset import DatasetMoments
from augmoments.cluster.checkpoint import Checkpoint
from augmoments.cluster.partitions import Partial, accumulate_part, merge, ranges
from augmoments.cluster.pool import Pool
from augmoments.cluster.reduction import Node, Reduction
from augmoments.cluster.workers import pool
from augmoments.data import Skipped, Stream
from augmoments.data import stream as stream_of
from augmoments.errors import DataError, InputError

PARTITION = 8192
Progress = Callable[[int, int], None]


def accumulate(
    stream: Any,
    policy: Policy,
    *,
    partition_size: int = PARTITION,
    workers: int | None = None,
    scheduler: str | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    skipped: Callable[[Skipped], None] | None = None,
    **options: Any,
) -> DatasetMoments:
    r"""Moments of a dataset of any size after infinitely many augmentations of every image.

    .. math:: \sum_n E[T(x_n) T(x_n)^\top] = \sum_p \sum_{n \in p} E[T(x_n) T(x_n)^\top]

    over partitions ``p`` of ``partition_size`` images, merged in pairs along a fixed tree. About
    :math:`\log_2` of their number is in memory at a time, each with its :math:`D \times D` sums. On
    one machine without workers all is computed in this process with PyTorch's threads; on workers
    with one thread each, so that their number does not change a bit of the result.

    Args:
        stream: A :class:`~augmoments.data.Stream`, or what :func:`augmoments.data.stream` takes.
            Its targets are taken as they are: :func:`augmoments.data.one_hot` makes classes of
            labels.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        partition_size: Images a partition.
        workers: As many processes of Dask on this machine. In a script, call this below
            ``if __name__ == "__main__":``.
        scheduler: The address of a Dask scheduler, such as ``"tcp://127.0.0.1:8786"``. Its workers
            read the stream's files by the same paths.
        checkpoint: A folder that keeps finished partitions. The same call after a run that was
            killed goes on from there, and gives the same result to the last bit.
        progress: Called as ``progress(done, total)`` with numbers of partitions.
        skipped: Called with each file that could not be read, checkpoints among them.
        **options: Those of :class:`~augmoments.DatasetMoments`: ``tol``, ``seed``, ``nodes``,
            ``max_nodes``.

    Raises:
        DataError: The images cannot be read, or the checkpoint is that of another run.
        ClusterError: Dask is not installed, its scheduler cannot be reached, or workers die again
            and again.
        OutputError: The checkpoint cannot be written.
        PolicyError: The policy does not take these images.

    Example:
        >>> import augmoments as am
        >>> from augmoments.cluster import accumulate
        >>> digits = am.data.one_hot(am.data.stream("digits"))
        >>> found = accumulate(digits, am.RandomTranslation(x=(-1, 1)), partition_size=500)
        >>> found.count, found.solve(alpha=1e-3).coef.shape
        (1797, torch.Size([10, 64]))
    """
    with pool(workers, scheduler) as used:
        return accumulate_on(
            used,
            stream if isinstance(stream, Stream) else stream_of(stream),
            policy,
            partition_size=partition_size,
            checkpoint=checkpoint,
            progress=progress,
            skipped=skipped,
            **options,
        )


def accumulate_on(
    used: Pool,
    stream: Stream,
    policy: Policy,
    *,
    partition_size: int = PARTITION,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    skipped: Callable[[Skipped], None] | None = None,
    **options: Any,
) -> DatasetMoments:
    """The same on workers that are there already."""
    if partition_size < 1:
        raise InputError(f"partition_size={partition_size}: expected at least one image.")
    policy = as_policy(policy)
    policy.output_shape(stream.shape)
    facts = {
        "moments": DatasetMoments(policy, **options).fingerprint,
        "stream": stream.fingerprint,
        "count": stream.count,
        "partition_size": partition_size,
    }
    load = partial(DatasetMoments.load, policy=policy, **options)
    kept = None if checkpoint is None else Checkpoint(checkpoint, facts, load)
    bounds = list(ranges(stream.count, partition_size))
    with nullcontext() if kept is None else kept.opened():
        found = _reduce(used, stream, (policy, options), bounds, kept, progress, skipped)
    if found.moments is None:
        raise DataError(f"{stream.name} has no image that can be read.")
    if skipped is not None:
        for file in (*stream.skipped, *found.skipped):
            skipped(file)
    return found.moments


def _reduce(
    used: Pool,
    stream: Stream,
    arguments: tuple[Any, ...],
    bounds: list[tuple[int, int]],
    kept: Checkpoint | None,
    progress: Progress | None,
    skipped: Callable[[Skipped], None] | None,
) -> Partial:
    """The sum of all partitions, of which those in the checkpoint are not computed again."""
    reduction: Reduction[Partial] = Reduction(len(bounds), merge)
    if kept is not None:
        _restore(reduction, kept, skipped)
    missing = list(reduction.missing())
    calls = ((n, (stream.part(*bounds[n]), bounds[n][0], *arguments)) for n in missing)
    done = len(bounds) - len(missing)
    if progress is not None:
        progress(done, len(bounds))
    for leaf, value in used.map(accumulate_part, calls):
        _add(reduction, Node(0, leaf), value, kept)
        done += 1
        if progress is not None:
            progress(done, len(bounds))
    return reduction.result


def _restore(
    reduction: Reduction[Partial], kept: Checkpoint, skipped: Callable[[Skipped], None] | None
) -> None:
    damaged: list[Skipped] = []
    for node, value in list(kept.nodes(reduction.root, damaged)):
        _add(reduction, node, value, kept, stored=True)
    if skipped is not None:
        for file in damaged:
            skipped(file)


def _add(
    reduction: Reduction[Partial],
    node: Node,
    value: Partial,
    kept: Checkpoint | None,
    stored: bool = False,
) -> None:
    """Merge a node in, write what it became, and only then remove what that was made of."""
    place, taken = reduction.add(node, value)
    if kept is None or (stored and place == node):
        return
    kept.store(place, reduction.waiting[place])
    for old in [*taken, *([node] if stored else [])]:
        kept.forget(old)

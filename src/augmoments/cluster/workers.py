"""Where partitions are computed: in this process, in others beside it, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from augmoments.cluster.pool import LocalPool, Pool
from augmoments.errors import ClusterError, ConfigError


@contextmanager
def pool(workers: int | None = None, scheduler: str | None = None) -> Iterator[Pool]:
    """This process, ``workers`` processes of Dask on this machine, or those of a Dask scheduler.

    Raises:
        ConfigError: Both were given, or no worker.
        ClusterError: Dask is not installed, or the scheduler cannot be reached.
    """
    if workers is not None and scheduler is not None:
        raise ConfigError("workers start here and scheduler is elsewhere: give one of the two.")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers}: expected at least one.")
    if workers is None and scheduler is None:
        yield LocalPool()
        return
    try:
        from augmoments.cluster.dask import connected
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed"):
            raise
        raise ClusterError(
            "workers need the package dask: pip install 'augmoments[cluster]'."
        ) from error
    with ExitStack() as stack:
        yield stack.enter_context(connected(workers, scheduler))

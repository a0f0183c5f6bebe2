"""Partitions on the workers of Dask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import dask.config
import torch
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.comm.core import CommClosedError

from augmoments.cluster.pool import Call
from augmoments.errors import AugmomentsError, ClusterError, InputTypeError

R = TypeVar("R")
_SECONDS = 15
_SETTINGS = {
    # workers may be taken away often, which is no fault of what they were at
    "distributed.scheduler.allowed-failures": 30,
    # a partition of images in memory is no mistake
    "distributed.admin.large-graph-warning-threshold": "4 GiB",
}


@contextmanager
def connected(workers: int | None, scheduler: str | None) -> Iterator[DaskPool]:
    """Start processes on this machine, or connect to a scheduler."""
    with dask.config.set(_SETTINGS):
        if scheduler is not None:
            with _client(scheduler) as client:
                yield DaskPool(client)
            return
        with _local(workers) as cluster, Client(cluster, set_as_default=False) as client:
            yield DaskPool(client)


def _local(workers: int | None) -> LocalCluster:
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # the default port may be taken
            memory_limit=0,
            silence_logs=logging.ERROR,
        )
    except RuntimeError as error:
        raise ClusterError(
            f"No workers could be started: {error} In a script, call this below "
            'if __name__ == "__main__":, for each worker imports the script.'
        ) from error


def _client(scheduler: str) -> Client:
    client = None
    try:
        client = Client(scheduler, timeout=_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        if client is not None:
            client.close()
        raise ClusterError(
            f"no worker of the scheduler {scheduler} can be reached: {error}. Expected an address "
            "such as tcp://127.0.0.1:8786, and workers that have registered there."
        ) from error
    return client


@dataclass(frozen=True)
class _Refusal:
    """A typed error that trying again would not help."""

    error: AugmomentsError


class DaskPool:
    """A few calls at a time on each worker; a call whose worker dies is made again elsewhere."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def map(self, function: Callable[..., R], calls: Iterable[Call]) -> Iterator[tuple[int, R]]:
        waiting = iter(calls)
        room = 2 * len(self._client.scheduler_info(n_workers=-1)["workers"])
        numbers: dict[Any, int] = {}

        def submit(call: Call) -> Future:
            future = self._submit(function, call[1])
            numbers[future.key] = call[0]
            return future

        first = [submit(call) for call in islice(waiting, room)]
        done = as_completed(first, loop=self._client.loop)
        for future in done:
            value = _result(future)
            for call in islice(waiting, 1):
                done.add(submit(call))
            yield numbers.pop(future.key), value

    def _submit(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future:
        try:
            return self._client.submit(_on_one_thread, function, *arguments, pure=False, retries=3)
        except (AttributeError, TypeError) as error:
            raise InputTypeError(
                f"The images or the policy cannot be sent to another process: {error}. Give "
                "objects that can be pickled, or run without workers."
            ) from error


def _result(future: Future) -> Any:
    try:
        value = future.result()
    except (KilledWorker, CancelledError, CommClosedError) as error:
        raise ClusterError(
            f"The workers died again and again, or their scheduler went away: {error}. They may be "
            "short of memory: take fewer of them, or smaller partitions."
        ) from error
    except ImportError as error:
        raise ClusterError(
            f"A worker cannot import what the images or the policy need: {error}. Install it there."
        ) from error
    if isinstance(value, _Refusal):
        raise value.error
    return value


def _on_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    torch.set_num_threads(1)
    try:
        return function(*arguments)
    except AugmomentsError as error:
        return _Refusal(error)

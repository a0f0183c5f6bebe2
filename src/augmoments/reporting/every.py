"""Mean and total variance of every image, however many there are."""

from __future__ import annotations

from time import perf_counter

import torch

from augmoments.calculus.totals import mean_and_trace
from augmoments.estimate import weakest
from augmoments.reporting.results import EveryImage, numbers
from augmoments.reporting.task import Task
from augmoments.sample_size.images import over, solve

_AT_ONCE = 512
_COLUMNS = (
    "norm_of_mean",
    "total_variance",
    "draws",
    "mean_error",
    "variance_error",
    "draws_error",
)


def every_image(task: Task) -> EveryImage:
    """Go through the images of a subject, and keep numbers alone."""
    options, start = task.options, perf_counter()
    tol = max(options.tol, options.rough)
    rows, methods, converged, nodes, done = [], [], True, 0, 0
    with task.stage("mean and variance of every image") as tell:
        for index in task.every.split(_AT_ONCE):
            images = task.subject.dataset.images[index]
            found = mean_and_trace(
                images, task.policy, tol, seed=options.seed, max_nodes=options.max_nodes
            )
            size = found.mean.double().flatten(1).norm(dim=1)
            first = over(found.trace, size.square())
            draws = solve(first, torch.zeros_like(first), options.rel_error)
            mean_error, variance_error = found.mean_error.double(), found.trace_error.double()
            error = torch.where(draws.isfinite(), 2 * mean_error + variance_error, 0.0)
            columns = (size, found.trace, draws, mean_error, variance_error, error)
            rows.append(torch.stack([column.cpu() for column in columns]))
            methods.append(found.method)
            converged = converged and found.converged
            nodes, done = max(nodes, found.nodes), done + len(index)
            tell(done, len(task.every))
        values = dict(zip(_COLUMNS, torch.cat(rows, 1), strict=True))
        method, error = weakest(*methods), values["draws_error"]
        task.note("draws for the mean of all images", method, error, "relative", nodes)
    return EveryImage(
        used=task.every.tolist(),
        rel_error=options.rel_error,
        converged=converged,
        tol=tol,
        method=method,
        nodes=nodes,
        seconds=perf_counter() - start,
        **{name: numbers(column) for name, column in values.items()},
    )

"""From a request to results: every subject measured, and a verdict on all."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter

from augmoments.adapters import as_policy
from augmoments.reporting.environment import versions
from augmoments.reporting.measure import measure
from augmoments.reporting.plain import steps_of
from augmoments.reporting.request import Progress, Request
from augmoments.reporting.results import Results, SubjectResult
from augmoments.reporting.verdict import verdict


def quantify(request: Request, progress: Progress | None = None) -> Results:
    """Measure everything that a report says.

    Args:
        request: Images, policy, model and how exactly.
        progress: Called as ``progress(stage, done, total)``.

    Raises:
        AugmomentsError: What :func:`~augmoments.moments` and the others raise.
    """
    start = perf_counter()
    tell = progress or (lambda stage, done, total: None)
    policy = as_policy(request.policy)
    subjects = [measure(subject, policy, request.options, tell) for subject in request.subjects]
    seconds = perf_counter() - start
    return Results(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=request.command,
        config=request.config,
        versions=versions(),
        policy=steps_of(policy),
        subjects=subjects,
        verdict=verdict(subjects, seconds),
        warnings=[*request.warnings, *(text for s in subjects for text in _warnings(s))],
        seconds=seconds,
    )


def _warnings(subject: SubjectResult) -> list[str]:
    found = []
    if subject.skipped:
        count, first = len(subject.skipped), subject.skipped[0]
        which = "1 file was skipped" if count == 1 else f"{count} files were skipped, the first"
        found.append(f"{subject.name}: {which}: {first['file']} {first['reason']}.")
    every = subject.every
    if not subject.converged and every is not None:
        found.append(
            f"{subject.name}: the tolerance of {every.tol:g} was not reached by all images; the "
            f"relative error of a variance may be {max(every.variance_error):.2g}. Allow more "
            "nodes (--max-nodes)."
        )
    elif not subject.converged:
        worst = max(
            o.error or 0.0 for o in subject.obtained if o.quantity in ("mean", "covariance")
        )
        found.append(
            f"{subject.name}: the tolerance of {subject.moments.tol:g} was not reached; the "
            f"relative error may be {worst:.2g}. Allow more nodes (--max-nodes)."
        )
    return found

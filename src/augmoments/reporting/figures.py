"""The charts of a report."""

from __future__ import annotations

from statistics import median

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from augmoments.reporting.results import (
    AlignmentResult,
    Curve,
    LossResult,
    Samples,
    SubjectResult,
)
from augmoments.reporting.svg import INK, MARKERS, SERIES, chart, plain_number, plain_ticks, short

_MOST_CLASSES = 20
_LEAST = 1e-9  # that a logarithmic axis shows


def spectrum(subject: SubjectResult, name: str) -> str:
    """Share of the variance that each eigenvector has, one line an image."""
    out: list[str] = []
    with chart(out, name) as axes:
        for place, picture in enumerate(subject.pictures[: len(SERIES)]):
            shares = np.maximum(picture.variance_share, 1e-12)
            label = f"image {picture.index}"
            label += f" ({short(picture.label)})" if picture.label else ""
            axes.plot(
                range(1, len(shares) + 1),
                100 * shares,
                color=SERIES[place],
                marker=MARKERS[place],
                label=label,
            )
        axes.set_yscale("log")
        axes.set_xlabel("eigenvector, by its eigenvalue")
        axes.set_ylabel("share of the variance (%)")
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return out[0]


def errors(curves: list[Curve], samples: list[Samples], name: str) -> str:
    """Predicted (lines) and observed errors (markers, bands) against the number of draws."""
    out: list[str] = []
    reach = max(median(size.n) for size in samples)
    with chart(out, name) as axes:
        for place, curve in enumerate(curves):
            color = SERIES[place]
            n, error = list(curve.n), list(curve.predicted)
            if reach > n[-1]:
                error.append(error[-1] * (n[-1] / reach) ** 0.5)
                n.append(round(reach))
            axes.plot(n, 100 * np.asarray(error), color=color)
            low, high = (100 * np.maximum(ends, _LEAST) for ends in (curve.low, curve.high))
            axes.fill_between(curve.n, low, high, color=color, alpha=0.15, linewidth=0)
            axes.plot(
                curve.n,
                100 * np.asarray(curve.observed),
                color=color,
                marker=MARKERS[place],
                linestyle="none",
                markerfacecolor="none",
                markeredgewidth=1.5,
                label=curve.of,
            )
        target = 100 * samples[0].rel_error
        axes.axhline(target, color=INK, linewidth=1, linestyle="--")
        axes.annotate(
            f"{target:g}% asked for", (1, target), xytext=(2, 3), textcoords="offset points"
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        lines = [100 * value for curve in curves for value in (*curve.predicted, *curve.observed)]
        axes.set_ylim(bottom=max(min([*lines, target]), 100 * _LEAST) / 3)
        axes.set_xlabel("draws n of the image")
        axes.set_ylabel("relative error (%)")
        plain_ticks(axes)
        axes.legend()
    return out[0]


def needed(samples: list[Samples], name: str) -> str:
    """How the draws needed are spread over the images."""
    out: list[str] = []
    with chart(out, name) as axes:
        for place, size in enumerate(samples):
            n = np.sort(np.asarray(size.n))
            share = 100 * np.arange(1, len(n) + 1) / len(n)
            color = SERIES[place]
            if len(n) == 1:
                axes.plot(n, share, color=color, marker=MARKERS[place], ls="none", label=size.of)
            else:
                axes.step(n, share, where="post", color=color, label=size.of)
        axes.set_xscale("log")
        axes.set_ylim(0, 105)
        axes.set_xlabel(f"draws needed for {100 * samples[0].rel_error:g}%")
        axes.set_ylabel("images for which it is enough (%)")
        axes.xaxis.set_major_formatter(FuncFormatter(plain_number))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.legend()
    return out[0]


def second_order(loss: LossResult, name: str) -> str:
    """Expected loss of every image against what the second order says."""
    out: list[str] = []
    account = np.asarray(loss.at_mean) + np.asarray(loss.regularizer)
    with chart(out, name) as axes:
        ends = [min(*loss.value, *account), max(*loss.value, *account)]
        axes.plot(ends, ends, color=INK, linewidth=1, linestyle="--", label="equal")
        for place, (values, label) in enumerate(
            ((loss.at_mean, "at the mean image"), (account, "with the regularizer"))
        ):
            axes.plot(
                loss.value,
                values,
                color=SERIES[place],
                marker=MARKERS[place],
                linestyle="none",
                markerfacecolor="none",
                label=label,
            )
        axes.set_xlabel("expected loss of an image")
        axes.set_ylabel("its second-order account")
        axes.legend()
    return out[0]


def by_class(subject: SubjectResult, loss: LossResult, name: str) -> str:
    """The terms of the expected loss, class by class."""
    if subject.labels is None or not 2 <= len(set(subject.labels)) <= _MOST_CLASSES:
        return ""
    out: list[str] = []
    labels = np.asarray(subject.labels)
    present = sorted(set(subject.labels))
    names = [subject.classes[c] if c < len(subject.classes) else str(c) for c in present]
    with chart(out, name) as axes:
        left = np.zeros(len(present))
        for place, (values, label) in enumerate(
            ((loss.at_mean, "at the mean image"), (loss.regularizer, "explicit regularizer"))
        ):
            means = np.array([np.mean(np.asarray(values)[labels == c]) for c in present])
            axes.barh(range(len(present)), means, 0.7, left, color=SERIES[place], label=label)
            left = left + means
        values = [np.mean(np.asarray(loss.value)[labels == c]) for c in present]
        axes.plot(values, range(len(present)), "|", color=INK, markersize=11, label="expected")
        axes.set_yticks(range(len(present)), [short(text) for text in names])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("loss, mean over the class")
        axes.set_ylabel("class")
        axes.figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside upper left",
            ncols=3,
            columnspacing=1.0,
            handlelength=1.2,
        )
    return out[0]


def variances(found: AlignmentResult, name: str) -> str:
    """The variance of the loss, to first order against without approximation."""
    out: list[str] = []
    with chart(out, name) as axes:
        pairs = [
            (exact, first)
            for exact, first in zip(found.variance, found.linearized_variance, strict=True)
            if exact > 0 and first > 0
        ]
        if pairs:
            ends = [min(map(min, pairs)), max(map(max, pairs))]
            axes.plot(ends, ends, color=INK, linewidth=1, linestyle="--", label="equal")
            axes.plot(*zip(*pairs, strict=True), MARKERS[0], color=SERIES[0], mfc="none")
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_ticks(axes)
            axes.legend()
        axes.set_xlabel("variance of the loss of an image")
        axes.set_ylabel("variance to first order")
    return out[0]


def alignment(found: AlignmentResult, name: str) -> str:
    """Share of the saliency's energy along each eigenvector."""
    out: list[str] = []
    with chart(out, name) as axes:
        shares = 100 * np.asarray(found.mean_alignment)
        axes.bar(range(1, len(shares) + 1), shares, color=SERIES[0], width=0.7)
        chance = 100 / found.dimension
        axes.axhline(chance, color=INK, linewidth=1, linestyle="--", label="direction at random")
        axes.set_xlabel("eigenvector, by its eigenvalue")
        axes.set_ylabel("share of the saliency (%)")
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return out[0]

"""The mean over the seeds after each epoch, with its interval, for every tag of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from math import isfinite, sqrt
from statistics import fmean

import numpy as np

from bnexp.analysis.metrics import epoch_values
from bnexp.runs.record import RunRecord, Summary

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Curve:
    """One value per epoch; `low` and `high` are empty below two seeds."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class CellCurves:
    """A cell's curves by tag, over its finished runs, and where the epochs ended.

    `steps` are optimiser steps. `elapsed_seconds` spread the mean time of the runs evenly
    over their epochs: a summary does not say how long each of them took.
    """

    label: str
    steps: tuple[int, ...]
    elapsed_seconds: tuple[float, ...]
    by_tag: dict[str, Curve]


def build_cell_curves(label: str, finished: Sequence[RunRecord]) -> CellCurves | None:
    """Returns the curves of one cell's finished runs, or None if they have no history."""
    summaries = [run.summary for run in finished if run.summary is not None and run.summary.epochs]
    tags = dict.fromkeys(tag for summary in summaries for tag in summary.history)
    curves = {tag: _build_curve(summaries, tag) for tag in tags}
    curves = {tag: curve for tag, curve in curves.items() if curve.mean}
    if not curves:
        return None
    epochs = max(len(curve.mean) for curve in curves.values())
    steps = fmean(summary.steps / summary.epochs for summary in summaries)
    seconds = fmean(summary.elapsed_seconds / summary.epochs for summary in summaries)
    return CellCurves(
        label=label,
        steps=tuple(round(steps * epoch) for epoch in range(1, epochs + 1)),
        elapsed_seconds=tuple(seconds * epoch for epoch in range(1, epochs + 1)),
        by_tag=curves,
    )


def _build_curve(summaries: Sequence[Summary], tag: str) -> Curve:
    """Returns the curve over the epochs that all runs with the tag have, all values finite.

    The interval is that of `t_interval`, computed for all epochs at once: thousands of
    them, one by one, would take longer than the whole comparison.
    """
    histories = [values for summary in summaries if (values := epoch_values(summary, tag))]
    epochs = takewhile(lambda values: all(map(isfinite, values)), zip(*histories, strict=False))
    by_epoch = np.array(list(epochs), dtype=np.float64)
    if not len(by_epoch):
        return Curve((), (), ())
    means = by_epoch.mean(axis=1)
    seeds = by_epoch.shape[1]
    if seeds < 2:
        return Curve(tuple(means.tolist()), (), ())
    half = _t_quantile(seeds - 1) * by_epoch.std(axis=1, ddof=1) / sqrt(seeds)
    return Curve(*(tuple(line.tolist()) for line in (means, means - half, means + half)))


@cache
def _t_quantile(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + _CONFIDENCE) / 2))

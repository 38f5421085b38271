"""The mean over the seeds after each epoch, with its interval, for every tag of a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import inf, isfinite, sqrt
from statistics import fmean
from typing import NamedTuple

import numpy as np

from bnexp.analysis.metrics import epoch_values, natural_range
from bnexp.foreign_text import visible
from bnexp.runs.record import RunRecord

_CONFIDENCE = 0.95


class Curve(NamedTuple):
    """One value per epoch; `low` and `high` are empty below two seeds."""

    mean: Sequence[float] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class CellCurves:
    """A cell's curves by tag, over its finished runs.

    The seconds of an epoch spread the mean time of the runs evenly over their epochs: a
    summary does not say how long each of them took.
    """

    label: str
    steps_per_epoch: float
    """Optimiser steps."""
    seconds_per_epoch: float
    by_tag: dict[str, Curve]

    @property
    def epochs(self) -> int:
        """The epochs of the longest curve."""
        return max(len(curve.mean) for curve in self.by_tag.values())


def build_cell_curves(label: str, finished: Sequence[RunRecord]) -> CellCurves | None:
    """Returns the curves of one cell's finished runs, or None if they have no history."""
    summaries = [run.summary for run in finished if run.summary is not None and run.summary.epochs]
    tags = dict.fromkeys(tag for summary in summaries for tag in summary.history)
    curves = {
        visible(tag): aggregate(
            (epoch_values(summary, tag) for summary in summaries), natural_range(tag)
        )
        for tag in tags
    }
    curves = {tag: curve for tag, curve in curves.items() if curve.mean}
    if not curves:
        return None
    steps = fmean(summary.steps / summary.epochs for summary in summaries)
    seconds = fmean(summary.elapsed_seconds / summary.epochs for summary in summaries)
    return CellCurves(visible(label), steps, seconds, curves)


def aggregate(
    histories: Iterable[Sequence[float]], bounds: tuple[float, float] = (-inf, inf)
) -> Curve:
    """Returns the curve over the epochs that all runs with a history have, all values finite.

    The interval is that of `t_interval`, cut off at the `bounds`, between which all values lie.
    It is computed for all epochs at once: thousands of them, one by one, would take longer
    than the whole comparison.
    """
    from scipy.special import stdtrit

    epochs = zip(*filter(None, histories), strict=False)
    values = np.array([*takewhile(lambda row: all(map(isfinite, row)), epochs)], dtype=np.float64)
    if not len(values):
        return Curve()
    mean, seeds = values.mean(axis=1), values.shape[1]
    if seeds < 2:
        return Curve(mean.tolist())
    error = values.std(axis=1, ddof=1) / sqrt(seeds)
    half = stdtrit(seeds - 1, (1 + _CONFIDENCE) / 2) * error
    low, high = np.clip((mean - half, mean + half), *bounds).tolist()
    return Curve(mean.tolist(), low, high)

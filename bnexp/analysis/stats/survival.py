"""Time to a target if some runs never get there: Kaplan-Meier estimates.

A run that stopped before it reached the target is censored: all that is known is that
its time is longer than the time it was watched for.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import fsum

_HALF = Fraction(1, 2)


def censored_median(times: Sequence[float], is_reached: Sequence[bool]) -> tuple[float, bool]:
    """Returns the Kaplan-Meier median, and whether it is only a lower bound.

    `times` are the times at which the target was reached, or until which a run that
    did not reach it was watched. If the curve stays at just 1/2 from one time to
    the next, the median is their middle, so that without censoring it is the ordinary
    median. If it never falls below 1/2, the median is only known to be no smaller
    than the largest time, or than the middle of the time at which it came to 1/2 and
    the largest.

    Raises:
        ValueError: There is no time, or the two differ in length.

    Source: Kaplan & Meier 1958, Nonparametric estimation from incomplete observations.
    """
    low = [time for time, survival in survival_curve(times, is_reached) if survival <= _HALF]
    below = [time for time, survival in survival_curve(times, is_reached) if survival < _HALF]
    longest = max(times)
    first = low[0] if low else longest
    return (first + (below[0] if below else longest)) / 2, not below


def restricted_mean(times: Sequence[float], is_reached: Sequence[bool], horizon: float) -> float:
    """Returns the mean time until the target or the horizon, whichever comes first.

    That is the area under the Kaplan-Meier curve from 0 to the horizon. If the
    horizon is later than the last, censored time, the curve stays at its last level:
    the largest mean that the data allow.

    Raises:
        ValueError: There is no time, the two differ in length, or the horizon is below 0.

    Source: Royston & Parmar 2013, Restricted mean survival time: an alternative to the
    hazard ratio for the design and analysis of randomized trials with a time-to-event
    outcome.
    """
    if not horizon >= 0:
        raise ValueError(f"the horizon must be at least 0, but it is {horizon}")
    steps = [(time, level) for time, level in survival_curve(times, is_reached) if time < horizon]
    starts = [0.0, *(time for time, _ in steps)]
    ends = [*starts[1:], horizon]
    levels = [Fraction(1), *(level for _, level in steps)]
    pieces = zip(starts, ends, levels, strict=True)
    return fsum((end - start) * float(level) for start, end, level in pieces)


def survival_curve(
    times: Sequence[float], is_reached: Sequence[bool]
) -> list[tuple[float, Fraction]]:
    """Returns each time at which the curve falls, in order, with the level that it falls to.

    A run censored at a time at which another reaches the target still counts as watched.

    Raises:
        ValueError: There is no time, or the two differ in length.

    Source: Kaplan & Meier 1958, Nonparametric estimation from incomplete observations.
    """
    runs = list(zip(times, is_reached, strict=True))
    if not runs:
        raise ValueError("a time to target needs at least one run")
    level, steps = Fraction(1), []
    for now in sorted({time for time, reached in runs if reached}):
        watched = sum(time >= now for time in times)
        events = sum(reached and time == now for time, reached in runs)
        level *= Fraction(watched - events, watched)
        steps.append((now, level))
    return steps

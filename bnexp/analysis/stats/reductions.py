"""One seed's values along a swept axis, such as the learning rate, reduced to one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import linear_regression

Points = Sequence[tuple[float, float | None]]
"""Axis value and metric of each run; None if the run diverged."""


def largest_stable(points: Points, threshold: float | None, direction: int) -> float | None:
    """Returns the end of the axis's stable part, counted from the lower end of the axis.

    A run is stable if it did not diverge and, with a threshold, reached it; direction 1 asks for a
    metric at or above the threshold, -1 for one at or below. Runs at the lower end that did
    not diverge, but missed the threshold, may have been too slow: the stable part begins after
    them. A stable run beyond one that is not was lucky, and does not count. None if no run
    was stable, or one below all stable ones diverged.

    Raises:
        ValueError: There is a threshold, and the direction is neither 1 nor -1.
    """
    if threshold is not None:
        _check_direction(direction)
    end = None
    for axis, value in sorted(points, key=lambda point: point[0]):
        if value is not None and (threshold is None or direction * (value - threshold) >= 0):
            end = axis
        elif end is not None or value is None:
            break
    return end


def slope(points: Points) -> float | None:
    """Returns the least-squares slope of the metric over the axis.

    The axis is taken as it is: a caller that wants the slope per factor of ten gives
    logarithms. None if there are fewer than two distinct axis values, or if any
    run diverged.
    """
    measured = _measured(points)
    axis = [place for place, _ in measured]
    if len(set(axis)) < 2:
        return None
    return linear_regression(axis, [value for _, value in measured]).slope


def best_axis_value(means: Mapping[float, float | None], direction: int) -> float | None:
    """Returns the axis value with the best mean, the smaller one at a tie; None without any.

    Direction 1 takes the highest mean for the best, -1 the lowest.

    Raises:
        ValueError: The direction is neither 1 nor -1.
    """
    _check_direction(direction)
    known = [(-direction * value, axis) for axis, value in means.items() if value is not None]
    return min(known)[1] if known else None


def _measured(points: Points) -> list[tuple[float, float]]:
    """Returns all points, or none of them if any run diverged."""
    measured = [(axis, value) for axis, value in points if value is not None]
    return measured if len(measured) == len(points) else []


def _check_direction(direction: int) -> None:
    if direction not in (1, -1):
        raise ValueError(f"the direction must be 1 or -1, but it is {direction}")

"""Networks that did no better than guessing."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

from bnexp.analysis.metrics import count_images, final_value
from bnexp.runs.record import RunRecord

_ERRORS = 3.0
"""Standard errors of an accuracy above chance, up to which it may be chance."""


def is_at_chance(run: RunRecord, images: str = "test") -> bool:
    """Whether a run ended with an accuracy on these images that guessing has too.

    That is at most chance (one in so many classes) plus three standard errors of the accuracy
    of a guess. False if the number of classes or of images is not recorded.
    """
    classes, number = run.environment.get("dataset.classes"), count_images(run, images)
    accuracy = final_value(run, f"{images}/accuracy")
    if accuracy is None or number is None or not isinstance(classes, int) or classes < 2:
        return False
    chance = 1 / classes
    return accuracy <= chance + _ERRORS * sqrt(chance * (1 - chance) / number)


def find_chance(runs: Iterable[RunRecord]) -> float | None:
    """Returns the accuracy of a guess; None if the runs do not all record as many classes."""
    found = {run.environment.get("dataset.classes") for run in runs}
    classes = found.pop() if len(found) == 1 else None
    return 1 / classes if isinstance(classes, int) and classes > 1 else None


def has_failed(run: RunRecord, images: str = "test") -> bool:
    """Whether a run diverged, or ended no better than chance."""
    return run.state == "diverged" or is_at_chance(run, images)

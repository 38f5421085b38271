"""Networks that did no better than guessing."""

from __future__ import annotations

from math import sqrt

from bnexp.analysis.metrics import final_value
from bnexp.runs.record import RunRecord

_ERRORS = 3.0
"""Standard errors of an accuracy above chance, up to which it may be chance."""


def is_at_chance(run: RunRecord) -> bool:
    """Whether a run ended with a test accuracy that guessing has too.

    That is at most chance (one in so many classes) plus three standard errors of the accuracy
    of a guess. False if the number of classes or of test images is not recorded.
    """
    classes = run.environment.get("dataset.classes")
    images = run.environment.get("dataset.test_images")
    accuracy = final_value(run, "test/accuracy")
    if not (isinstance(classes, int) and isinstance(images, int) and classes > 1 and images > 0):
        return False
    chance = 1 / classes
    error = sqrt(chance * (1 - chance) / images)
    return accuracy is not None and accuracy <= chance + _ERRORS * error


def has_failed(run: RunRecord) -> bool:
    """Whether a run diverged, or ended no better than chance."""
    return run.state == "diverged" or is_at_chance(run)

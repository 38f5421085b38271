"""What a metric's tag means, and how to take its figures out of a run's summary."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite, nan
from statistics import mean

from bnexp.runs.measured.diagnostic_tags import is_diagnostic
from bnexp.runs.record import RunRecord, Summary

SUMMARY_METRICS = (
    "images_per_second",
    "elapsed_seconds",
    "training_memory_bytes",
    "peak_memory_bytes",
)
"""Figures of the whole run that can be compared like a metric."""

SCORES = ("accuracy", "loss")
"""What is measured on images, and has a learning curve."""

_STATISTICS = ("", "_precise", "_batch")
"""How tags end by the statistics that an evaluation normalizes with: running ones, …"""

_HIGHER = ("accuracy", "images_per_second")
_LOWER = ("loss", "error", "seconds", "bytes")
_COSTS = ("images_per_second", "seconds", "bytes")


def is_accuracy(metric: str) -> bool:
    """Returns whether the metric is a share in [0, 1] that is shown in percent."""
    return _is_kind(metric, "accuracy")


def is_cost(metric: str) -> bool:
    """Returns whether the metric is a speed, a time or memory, which depend on the machine."""
    return any(_is_kind(metric, kind) for kind in _COSTS)


def better_direction(metric: str) -> int:
    """Returns 1 if a higher value is better, -1 if a lower one is, 0 if unknown."""
    if any(_is_kind(metric, kind) for kind in _HIGHER):
        return 1
    return -1 if any(_is_kind(metric, kind) for kind in _LOWER) else 0


def natural_range(metric: str) -> tuple[float, float]:
    """Returns the ends between which every value of the metric lies."""
    if is_accuracy(metric):
        return 0.0, 1.0
    return 0.0 if better_direction(metric) else -inf, inf


def split_tag(tag: str) -> tuple[str, str]:
    """Returns which images a tag is about, and what is measured on them."""
    images, _, kind = tag.rpartition("/")
    return images, kind


def curve_tags(metric: str) -> tuple[tuple[str, ...], ...]:
    """Returns the tags of the metric's learning curves, those of one axis together.

    The axis of the metric comes first. Accuracy and loss of the same images follow, each with
    that of training; a metric that belongs to no images goes with those of the test.
    """
    images, kind = split_tag(metric)
    is_score = kind in SCORES and "/" not in images
    images = images if is_score and images != "train" else "test"
    scores = sorted(SCORES, key=lambda score: is_score and score != kind)
    pairs = tuple((f"{images}/{score}", f"train/{score}") for score in scores)
    return pairs if is_score else ((metric,), *pairs)


def other_statistics(tags: Sequence[str]) -> tuple[str, ...]:
    """Returns the tags of the same evaluation with statistics of a kind that none of these has.

    There are none unless the tags differ in these alone: running statistics, whose tags have no
    ending, precise ones or the batch's own.
    """
    for pictures in ("val", "test"):
        for score in SCORES:
            every = [f"{pictures}{ending}/{score}" for ending in _STATISTICS]
            if len(set(tags) & set(every)) == len(tags) > 1:
                return tuple(tag for tag in every if tag not in tags)
    return ()


def final_value(run: RunRecord, metric: str) -> float | None:
    """Returns the metric at the last epoch, or None if it is absent or no such metric's value.

    A value must be finite, and an accuracy in [0, 1].
    """
    summary = run.summary
    if summary is None:
        return None
    value = summary.final.get(metric)
    if value is None and metric in SUMMARY_METRICS:
        value = getattr(summary, metric)
    value = as_number(value)
    if value is not None and is_accuracy(metric) and not 0 <= value <= 1:
        return None
    return value


def epoch_values(summary: Summary, metric: str) -> tuple[float, ...]:
    """Returns the metric after each epoch, NaN if it was not finite, or nothing.

    An accuracy outside [0, 1] is NaN as well.
    """
    return _as_measured(metric, summary.history.get(metric, ()))


def evaluated_values(summary: Summary, metric: str) -> Iterator[tuple[float, float]]:
    """Yields the metric at each evaluation, in order, with the time of it in epochs.

    That is after each epoch, or more often if the run was evaluated every so many steps.
    """
    steps, length = summary.evaluated_steps, summary.steps_per_epoch
    values = (summary.evaluations or {}).get(metric)
    if steps and values and length:
        times = (step / length for step in steps)
        return zip(times, _as_measured(metric, values), strict=True)
    return zip(itertools.count(1.0), epoch_values(summary, metric), strict=False)


def _as_measured(metric: str, values: tuple[float, ...]) -> tuple[float, ...]:
    # A sum is finite only if all of them are, and is found faster than looking at each.
    if not ({*map(type, values)} <= {float} and isfinite(sum(values))):
        numbers = map(as_number, values)
        values = tuple(nan if number is None else number for number in numbers)
    if values and is_accuracy(metric) and not (min(values) >= 0 and max(values) <= 1):
        return tuple(value if 0 <= value <= 1 else nan for value in values)
    return tuple(values)


def as_number(value: object) -> float | None:
    """Returns a finite number as a float, and None for all else that a file may hold."""
    if type(value) is float:  # nearly all are
        return value if isfinite(value) else None
    try:
        return float(value) if isinstance(value, int | float) and isfinite(value) else None
    except OverflowError:  # of an integer
        return None


def known_values(values: Mapping[int, float | None]) -> dict[int, float]:
    """Returns the values of the seeds that have one."""
    return {seed: value for seed, value in values.items() if value is not None}


def known_metrics(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """Returns every metric that at least one of the runs measured, sorted."""
    summaries = [run.summary for run in runs if run.summary is not None]
    tags = {tag for summary in summaries for tag in summary.final}
    return tuple(sorted(tags | set(SUMMARY_METRICS if summaries else ())))


def train_test_gap(runs: Iterable[RunRecord]) -> float | None:
    """Returns the mean of train minus test accuracy, both in evaluation mode, in [-1, 1].

    None if no run measured both.
    """
    pairs = [
        (final_value(run, "train_eval/accuracy"), final_value(run, "test/accuracy")) for run in runs
    ]
    gaps = [train - test for train, test in pairs if train is not None and test is not None]
    return mean(gaps) if gaps else None


def count_train_images(run: RunRecord) -> int | None:
    """Returns how many images a run was trained on; None if it does not say."""
    number = run.config.get("data.train_size")
    whole, held_out = run.environment.get("dataset.train_images"), run.config.get("data.val_size")
    if number is None and isinstance(whole, int) and isinstance(held_out, int):
        return whole - held_out
    return number if isinstance(number, int) else None


def count_images(run: RunRecord, images: str) -> int | None:
    """Returns the size of the set that a tag such as `test_precise` is about; None if unknown."""
    if images.startswith("test"):
        number = run.environment.get("dataset.test_images")
    elif images.startswith("val"):
        # Pictures of a validation folder are no part of the config, and older runs don't say.
        number = run.environment.get("dataset.val_images") or run.config.get("data.val_size")
    else:
        number = count_train_images(run)
    return number if isinstance(number, int) and number > 0 else None


def has_epochs(runs: Iterable[RunRecord], metric: str) -> bool:
    """Returns whether the metric is one that is measured after each epoch.

    If no run got as far as the first evaluation, any loss or accuracy may be.
    """
    histories = [run.summary.history for run in runs if run.summary is not None]
    if any(histories):
        return any(metric in history for history in histories)
    return bool(histories) and metric not in SUMMARY_METRICS and better_direction(metric) != 0


@functools.lru_cache(maxsize=1024)
def _is_kind(metric: str, kind: str) -> bool:
    if is_diagnostic(metric):
        return False  # what its tag ends with is a layer, whatever that is called
    name = metric.rsplit("/", 1)[-1]
    return name == kind or name.endswith(f"_{kind}")

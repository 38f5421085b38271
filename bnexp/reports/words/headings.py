"""What a report is called, and what sets its tables apart if it has several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bnexp.analysis.metrics import SUMMARY_METRICS
from bnexp.analysis.results import Choices, Comparison
from bnexp.config.sweep.names import short_names
from bnexp.runs.measured.diagnostic_tags import is_diagnostic


def describe_title(comparisons: Sequence[Comparison]) -> str:
    """Returns what is compared, with the conditions that all of the tables share."""
    first = comparisons[0]
    title = f"{first.experiment}: {first.metric} {describe_moment(first.metric)}"
    return ", ".join(filter(None, (title, describe_selection(_shared_conditions(comparisons)))))


def describe_moment(metric: str) -> str:
    """Returns when the metric is measured: after the last epoch, say, or over the whole run."""
    if is_diagnostic(metric):
        return "as last measured"
    return "of the whole run" if metric in SUMMARY_METRICS else "after the last epoch"


def describe_part(comparison: Comparison, comparisons: Sequence[Comparison]) -> str:
    """Returns what sets one table apart, such as `batch_size = 8`; nothing if it is alone."""
    shared = _shared_conditions(comparisons)
    own = {key: value for key, value in comparison.where.items() if key not in shared}
    return describe_conditions(own)


def describe_conditions(where: Choices) -> str:
    """Returns `norm = batch, batch_size = 8 or 16`; nothing without conditions."""
    names = short_names(list(where))
    choices = map(join_choices, where.values())
    return ", ".join(f"{name} = {choice}" for name, choice in zip(names, choices, strict=True))


def describe_selection(where: Choices) -> str:
    """Returns which runs were chosen, as `where norm = batch`; nothing without conditions."""
    return f"where {describe_conditions(where)}" if where else ""


def join_choices(values: Iterable[str]) -> str:
    """Returns the values that a key may have as `8 or 16`."""
    return " or ".join(values)


def _shared_conditions(comparisons: Sequence[Comparison]) -> Choices:
    conditions = comparisons[0].where.items()
    return {k: to for k, to in conditions if all(part.where.get(k) == to for part in comparisons)}

"""The comparison as CSV, for a spreadsheet or pandas: one row per cell, full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from bnexp.analysis.results import CellResult, Comparison
from bnexp.foreign_text import visible
from bnexp.reports.words.headings import join_choices
from bnexp.runs.record import STATES


def render_csv(*comparisons: Comparison, by: str | None = None) -> str:
    """Returns a header and a row per cell; accuracies in [0, 1], a figure that is missing empty.

    Settings that differ have a column each, named by their full key. `by` is the key that
    the runs were divided by; each row has its value of it.
    """
    keys = tuple(dict.fromkeys(key for part in comparisons for key in part.differing))
    return write_csv([_row(part, cell, keys, by) for part in comparisons for cell in part.cells])


def write_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns a header and the rows, all of which have the keys of the first.

    Texts are made visible, and a spreadsheet computes none of them.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_defuse(value) for value in row] for row in (rows[0], *map(_values, rows)))
    return text.getvalue()


def _values(row: Mapping[str, Any]) -> list[Any]:
    return [*row.values()]


def _row(
    comparison: Comparison, cell: CellResult, keys: Sequence[str], by: str | None
) -> dict[str, Any]:
    difference, epochs = cell.difference, cell.epochs_to_target
    where = (f"{key}={join_choices(values)}" for key, values in comparison.where.items())
    return {
        "experiment": comparison.experiment,
        "metric": comparison.metric,
        "cell": cell.cell,
        "is_baseline": cell.cell == comparison.baseline,
        **{key: cell.settings.get(key) for key in keys},
        **_take(cell, "", "n", "mean", "std", "ci_low", "ci_high"),
        **_take(difference, "difference_", "mean", "ci_low", "ci_high", "p", "p_holm", "verdict"),
        **_take(difference, "difference_", "is_paired", "n"),
        "target": comparison.target,
        "epochs_to_target": epochs and epochs.median,
        "epochs_to_target_is_censored": epochs and epochs.is_censored,
        "runs_that_reached_target": epochs and epochs.reached,
        **_take(cell, "", "train_test_gap", "images_per_second"),
        **{state: cell.statuses.get(state, 0) for state in STATES},
        "margin": comparison.margin,
        **_take(difference, "difference_", "p_equivalence", "smallest_detectable", "seeds_needed"),
        **_take(cell.divergence, "divergence_", "p", "p_holm"),
        **_take(cell, "", "elapsed_seconds", "peak_memory_bytes", "parameters"),
        "restricted_mean_epochs_to_target": epochs and epochs.restricted_mean,
        "restricted_mean_horizon": epochs and epochs.horizon,
        "steps_per_epoch": epochs and epochs.steps_per_epoch,
        "where": "; ".join(where),
        "by": by,
        "by_value": join_choices(comparison.where[by]) if by else None,
        "steps_to_target": epochs and epochs.median_steps,
        "restricted_mean_steps_to_target": epochs and epochs.restricted_mean_steps,
        **_take(cell, "", "damaged", "silent", "training_memory_bytes", "speed_obstacle"),
    }


def _defuse(value: Any) -> Any:  # noqa: ANN401 - any scalar
    """Returns a text with a quote before `=`, `+`, `-` or `@`: no spreadsheet computes it then."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", r"\t", r"\r")) else text


def _take(part: object, prefix: str, *names: str) -> dict[str, Any]:
    """Returns attributes of a part by column, all of them empty if there is no such part."""
    return {f"{prefix}{name}": getattr(part, name, None) for name in names}

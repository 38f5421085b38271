"""The comparison as CSV, for a spreadsheet or pandas: one row a cell, full precision."""

from __future__ import annotations

import csv
import io

from bnexp.analysis.results import CellResult, Comparison
from bnexp.runs.record import STATES, Scalar


def render_csv(comparison: Comparison) -> str:
    """Returns a header and a row a cell; accuracies in [0, 1], an absent figure empty.

    Differing settings have a column each, named by their full key.
    """
    rows = [_row(comparison, cell) for cell in comparison.cells]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(comparison: Comparison, cell: CellResult) -> dict[str, Scalar]:
    return {
        "experiment": comparison.experiment,
        "metric": comparison.metric,
        "cell": cell.cell,
        "is_baseline": cell.cell == comparison.baseline,
        **{key: cell.settings[key] for key in comparison.differing},
        "n": cell.n,
        "mean": cell.mean,
        "std": cell.std,
        "ci_low": cell.ci_low,
        "ci_high": cell.ci_high,
        **_difference(cell),
        **_epochs(comparison, cell),
        "train_test_gap": cell.train_test_gap,
        "images_per_second": cell.images_per_second,
        **{state: cell.statuses.get(state, 0) for state in STATES},
    }


def _difference(cell: CellResult) -> dict[str, Scalar]:
    names = ("mean", "ci_low", "ci_high", "p", "p_holm", "verdict", "is_paired", "n")
    return {
        f"difference_{name}": None if cell.difference is None else getattr(cell.difference, name)
        for name in names
    }


def _epochs(comparison: Comparison, cell: CellResult) -> dict[str, Scalar]:
    epochs = cell.epochs_to_target
    return {
        "target": comparison.target,
        "epochs_to_target": epochs.median if epochs else None,
        "epochs_to_target_is_censored": epochs.is_censored if epochs else None,
        "runs_that_reached_target": epochs.reached if epochs else None,
    }

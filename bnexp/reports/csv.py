"""The comparison as CSV, for a spreadsheet or pandas: one row a cell, full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from bnexp.analysis.results import CellResult, Comparison
from bnexp.runs.record import STATES, Scalar


def render_csv(*comparisons: Comparison, by: str | None = None) -> str:
    """Returns a header and a row a cell; accuracies in [0, 1], an absent figure empty.

    Differing settings have a column each, named by their full key. `by` is the key that
    the runs were divided by; each row has its value of it.
    """
    keys = tuple(dict.fromkeys(key for part in comparisons for key in part.differing))
    rows = [_row(part, cell, keys, by) for part in comparisons for cell in part.cells]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(
    comparison: Comparison, cell: CellResult, keys: Sequence[str], by: str | None
) -> dict[str, Scalar]:
    return {
        "experiment": comparison.experiment,
        "metric": comparison.metric,
        "cell": cell.cell,
        "is_baseline": cell.cell == comparison.baseline,
        **{key: cell.settings.get(key) for key in keys},
        "n": cell.n,
        "mean": cell.mean,
        "std": cell.std,
        "ci_low": cell.ci_low,
        "ci_high": cell.ci_high,
        **_difference(
            cell, "mean", "ci_low", "ci_high", "p", "p_holm", "verdict", "is_paired", "n"
        ),
        **_epochs(comparison, cell),
        "train_test_gap": cell.train_test_gap,
        "images_per_second": cell.images_per_second,
        **{state: cell.statuses.get(state, 0) for state in STATES},
        "margin": comparison.margin,
        **_difference(cell, "p_equivalence", "smallest_detectable", "seeds_needed"),
        **_divergence(cell),
        "elapsed_seconds": cell.elapsed_seconds,
        "peak_memory_bytes": cell.peak_memory_bytes,
        "parameters": cell.parameters,
        **_restricted_mean(cell),
        "where": "; ".join(f"{key}={value}" for key, value in comparison.where.items()),
        "by": by,
        "by_value": comparison.where.get(by) if by else None,
        **_steps(cell),
        "damaged": cell.damaged,
        "silent": cell.silent,
    }


def _difference(cell: CellResult, *names: str) -> dict[str, Scalar]:
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


def _restricted_mean(cell: CellResult) -> dict[str, Scalar]:
    epochs = cell.epochs_to_target
    return {
        "restricted_mean_epochs_to_target": epochs.restricted_mean if epochs else None,
        "restricted_mean_horizon": epochs.horizon if epochs else None,
        "steps_per_epoch": epochs.steps_per_epoch if epochs else None,
    }


def _steps(cell: CellResult) -> dict[str, Scalar]:
    epochs = cell.epochs_to_target
    return {
        "steps_to_target": epochs.median_steps if epochs else None,
        "restricted_mean_steps_to_target": epochs.restricted_mean_steps if epochs else None,
    }


def _divergence(cell: CellResult) -> dict[str, Scalar]:
    return {
        "divergence_p": cell.divergence.p if cell.divergence else None,
        "divergence_p_holm": cell.divergence.p_holm if cell.divergence else None,
    }

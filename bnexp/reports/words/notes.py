"""What a reader must know to read the table: how it was made, and what it does not say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bnexp.analysis.metrics import SCORES, split_tag
from bnexp.analysis.results import CellResult, Comparison, SpeedObstacle
from bnexp.config.sweep.names import short_names
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.formatting import find_best, metric_format
from bnexp.reports.words.phrases import CONFIDENCE

ALONE = "Each interval holds for its comparison alone; the verdict follows the adjusted p."
"""What must be known of intervals if there are several."""

_OBSTACLES: Mapping[SpeedObstacle, str] = {
    "few runs": "that takes at least two finished runs of each",
    "other machine": "they were trained on different machines, or with different thread counts",
    "out of turn": "their runs did not take turns, seed by seed, so a machine that became slower "
    "would look like an effect",
    "unsteady": "runs of the same cell differ by more than 20 % in images/s",
}

Changes = Sequence[tuple[CellResult, tuple[str, ...]]]
"""Cells, each with the swept keys in which it differs from the baseline."""


def describe_notes(
    comparisons: Sequence[Comparison], *, is_best_marked: bool = False, is_advising: bool = True
) -> tuple[str, ...]:
    """Returns the method and what limits the tables, which are taken as one family.

    `is_best_marked` says whether the best means are in bold, which a note then explains;
    `is_advising`, whether the reader can give other options.
    """
    notes = [describe_method(*comparisons), *_margin(comparisons)]
    if any(comparison.claims and comparison.where for comparison in comparisons):
        notes.append("The claims are assessed on all runs, not only those in the table.")
    most = max(cell.n for comparison in comparisons for cell in comparison.cells)
    if is_advising and most == 1:
        notes.append("For more seeds, bnexp train CONFIG -s sweep.seeds=5 trains the missing ones.")
    is_advising = is_advising and len(comparisons) == 1
    for comparison in comparisons:
        notes += [*_joint_changes(comparison, is_advising), *_easy_target(comparison)]
        notes += _speeds(comparison)
    if is_best_marked and any(find_best(comparison) for comparison in comparisons):
        notes.append("Bold: the best mean, which is not a verdict.")
    return tuple(dict.fromkeys(notes))


def explain_missing_curves(comparison: Comparison) -> str | None:
    """Returns why finished runs have no learning curves of their scores, or None if they have."""
    cells, (images, kind) = comparison.cells, split_tag(comparison.metric)
    has_curves = any(comparison.metric in cell.curves for cell in cells)
    if kind not in SCORES or has_curves or not any(cell.n for cell in cells):
        return None
    # The training images without augmentation are never evaluated before.
    cause = "" if images == "train_eval" else " (evaluate.after: last_epoch)"
    return (
        f"There are no curves over the epochs: the runs measured {comparison.metric} once, at "
        f"their end{cause}."
    )


def describe_method(*comparisons: Comparison) -> str:
    """Returns how the intervals and p-values of the comparisons were made.

    Holm's family is all of them together, as `compare_by` makes it.
    """
    cells = [cell for comparison in comparisons for cell in comparison.cells]
    differences = [cell.difference for cell in cells if cell.difference is not None]
    tested = [difference for difference in differences if difference.p is not None]
    if not any(cell.ci_low is not None for cell in cells):
        return "No intervals and no tests: they need at least two finished seeds per cell."
    if not tested:
        return f"±: {CONFIDENCE} t interval over seeds."
    is_paired = {difference.is_paired for difference in tested}
    test = "paired by seed" if is_paired == {True} else "Welch, seeds not paired"
    if len(is_paired) > 1:
        test = "paired by seed if cells share seeds, otherwise Welch"
    family = sum(difference.verdict not in ("identical", "confounded") for difference in tested)
    method = f"± and [ ]: {CONFIDENCE} t intervals over seeds. Differences: t test, {test}"
    if family < 2:
        return f"{method}."
    return f"{method}, Holm-adjusted over {family} comparisons. {ALONE}"


def _margin(comparisons: Sequence[Comparison]) -> Iterable[str]:
    first = comparisons[0]
    if first.margin is None:
        return
    differences = [cell.difference for part in comparisons for cell in part.cells]
    means = "shown to differ by less than {} (two one-sided t tests)."
    margin = means.format(metric_format(first).margin(first.margin))
    if any(found is not None and found.verdict == "equivalent" for found in differences):
        yield f"Equivalent: {margin}"
    elif any(found is not None and found.p_equivalence is not None for found in differences):
        yield f"No cell is equivalent, i.e. {margin}"


def _speeds(comparison: Comparison) -> Iterable[str]:
    """Yields a line for each reason why cells cannot be compared with the baseline in speed."""
    found: dict[SpeedObstacle, list[str]] = {}
    names = shorten_cell_names(comparison)
    for cell in comparison.cells:
        if cell.speed_obstacle:
            found.setdefault(cell.speed_obstacle, []).append(names[cell.cell])
    for obstacle, cells in found.items():
        whose = cells[0] if len(cells) == 1 else f"{len(cells)} cells"
        yield (
            f"The speed and time of {whose} cannot be compared with the baseline's: "
            f"{_OBSTACLES[obstacle]}."
        )


def _joint_changes(comparison: Comparison, is_advising: bool) -> Iterable[str]:
    """Yields one line on the cells whose difference cannot be put down to one key."""
    joint = [
        (cell, cell.difference.changed)
        for cell in comparison.cells
        if cell.difference is not None and len(cell.difference.changed) > 1
    ]
    if not joint:
        return
    swept = list(dict.fromkeys(key for _, keys in joint for key in keys))
    names = dict(zip(swept, short_names(swept), strict=True))
    cell, keys = joint[0]
    label = shorten_cell_names(comparison)[cell.cell]
    *first, last = (names[key] for key in keys)
    changed = f"{', '.join(first)} and {last}"
    both = "both" if len(keys) == 2 else "all"
    others = len(joint) - 1
    more = f" (as do {others} other cells)" if others > 1 else " (as does another cell)"
    advice = _advise(comparison, joint, names) if is_advising else ""
    yield (
        f"{label} differs from the baseline in {changed}{more if others else ''}, so its "
        f"difference is the effect of {both} together{advice}."
    )


def _advise(comparison: Comparison, joint: Changes, names: Mapping[str, str]) -> str:
    """Returns the `--by` that leaves one key to compare along, if the sweep has the cells."""
    baseline = comparison.baseline_cell
    for cell, keys in joint:
        for freed, kept in (keys, keys[::-1]) if len(keys) == 2 else ():
            partner = {**cell.settings, freed: baseline.settings.get(freed)}
            if any(other.settings == partner for other in comparison.cells):
                return f"; --by {names[kept]} compares along {names[freed]} alone"
    return ""


def _easy_target(comparison: Comparison) -> Iterable[str]:
    """Yields a line if the default target is so low that it tells no cells apart."""
    baseline, target = comparison.baseline_cell, comparison.target
    others = [cell for cell in comparison.cells if cell is not baseline and cell.epochs_to_target]
    if target is None or target != baseline.mean or not others:
        return
    if all(_is_reached_at_once(cell) for cell in others):
        value = metric_format(comparison).value(target)
        yield (
            f"All other cells reach the target, the baseline's mean of {value}, in epoch 1, so it "
            "does not tell them apart; set a harder one with --target."
        )


def _is_reached_at_once(cell: CellResult) -> bool:
    epochs = cell.epochs_to_target
    if epochs is None or epochs.horizon is None or epochs.horizon <= 1:
        return False
    return epochs.reached == epochs.n and epochs.restricted_mean == 1

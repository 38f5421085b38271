"""What the figures of classes have in common: which cells, which classes, and which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bnexp.analysis.diagnostics import MOST_CELLS
from bnexp.analysis.results import Comparison
from bnexp.reports.figures.fitting import say_cells
from bnexp.reports.figures.style import Style, cell_styles
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.headings import describe_selection
from bnexp.runs.measured.predictions import Predictions
from bnexp.wording import count, format_percent

MOST_CLASSES = 24
"""Classes that are shown; of more, those that are recognised least."""

ONE_SEED = (
    "Each cell is shown by its finished run with the lowest seed: choosing the best run would be "
    "choosing on the test images. One run shows how a network errs, not which network is better."
)


@dataclass(frozen=True)
class Answered:
    """A cell whose first run kept its predictions."""

    label: str
    style: Style
    seed: int
    predictions: Predictions

    @property
    def summary(self) -> str:
        """The seed, and the mean of the classes' accuracies."""
        balanced = self.predictions.confusion.balanced_accuracy
        return f"seed {self.seed}: balanced accuracy {format_percent(balanced)}"


def describe_first_runs(comparison: Comparison) -> str:
    """Returns which runs, and which cells, the figures of predictions show."""
    left_out = say_cells(max(0, len(comparison.cells) - MOST_CELLS))
    return f"{ONE_SEED} {left_out}".strip()


def describe_choice(comparison: Comparison) -> str:
    """Returns the same for a figure that stands alone, after how the runs were selected."""
    selected = describe_selection(comparison.where)
    return ". ".join(filter(None, (selected, describe_first_runs(comparison))))


def list_answered(comparison: Comparison) -> list[Answered]:
    """Returns the cells whose predictions are known, the baseline first.

    All have the same classes: those of another dataset than the first one's are left out.
    """
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    cells = sorted(comparison.cells, key=lambda cell: cell.cell != comparison.baseline)
    found = [
        Answered(labels[cell.cell], styles[cell.cell], run.seed, run.predictions)
        for cell in cells
        if (run := cell.first_run) and run.predictions
    ]
    names = found[0].predictions.class_names if found else ()
    return [one for one in found if one.predictions.class_names == names]


def explain_absence(comparison: Comparison) -> list[str]:
    """Returns why predictions of cells are not shown, a sentence each."""
    asked = [cell for cell in comparison.cells if cell.first_run]
    shown = {(one.label, one.seed) for one in list_answered(comparison)}
    labels = shorten_cell_names(comparison)
    sentences = []
    for cell in asked:
        run = cell.first_run
        if run is None or (labels[cell.cell], run.seed) in shown:
            continue
        why = run.problem or (
            "it has other classes"
            if run.predictions
            else "an earlier version of bnexp trained it, which kept no predictions"
        )
        sentences.append(f"{labels[cell.cell]}, seed {run.seed}, is not shown: {why}.")
    return sentences


def choose_classes(answered: Sequence[Answered]) -> list[int]:
    """Returns the places of the classes to show: all, or those that are recognised least."""
    scores = [
        [one.accuracy for one in column if one.accuracy is not None]
        for column in zip(*(cell.predictions.confusion.classes for cell in answered), strict=True)
    ]
    places = [place for place, found in enumerate(scores) if found]
    worst = sorted(places, key=lambda place: fmean(scores[place]))[:MOST_CLASSES]
    return sorted(worst)


def describe_classes(answered: Sequence[Answered]) -> str:
    """Returns which classes are shown; empty if all are."""
    known, shown = len(answered[0].predictions.class_names), len(choose_classes(answered))
    if known == shown:
        return ""
    return f"Only {count(shown, 'class')} of {known} are shown, those that are recognised least."


def write_probability(share: float) -> str:
    """Returns a probability, one of nearly 1 as what it is more than."""
    return "> 99.9 %" if share > 0.9995 else format_percent(share)

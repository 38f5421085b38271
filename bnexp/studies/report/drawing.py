"""Draws what is shown of studies beside their results, as long as their runs are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bnexp.analysis.cells import group_cells
from bnexp.analysis.claims.assess import show_results
from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.diagnostics import show_diagnostics
from bnexp.analysis.results import Comparison, Question
from bnexp.reports.figures.claims.figure import build_claim_figure
from bnexp.reports.figures.effects import build_effects, build_ratios
from bnexp.reports.figures.inside.diagnostics import build_diagnostics
from bnexp.reports.figures.sensitivity.chart import build_sensitivities
from bnexp.reports.figures.sheet import Chart
from bnexp.reports.figures.style import MOST_WITH_BANDS, figure_settings
from bnexp.reports.markdown import render_markdown
from bnexp.runs.measured.diagnostic_tags import is_diagnostic, split_diagnostic
from bnexp.runs.measured.diagnostics import read_claimed_diagnostics, read_diagnostics
from bnexp.runs.reading import find_runs, read_experiments
from bnexp.runs.record import RunRecord
from bnexp.studies.report.build import StudyPart, StudyReport
from bnexp.studies.results_folder import ResultsFolder
from bnexp.studies.shown import ShownFigure, ShownFiles

_COMPARISON = "comparison.md"
_DOTS_PER_INCH = 110
_MOST_OVERVIEWS = 2
_MOST_UNCLAIMED = 2
_CARD_DOTS = 350
"""The width of TensorBoard's cards."""


def add_shown(
    report: StudyReport, folder: ResultsFolder, runs_dir: Path, say: Callable[[str], None]
) -> StudyReport:
    """Returns the report with figures and comparisons; those that are out of date are redrawn.

    They show the verdicts of the report. Of a study whose runs are not there, what shows other
    verdicts is left out.

    Raises:
        UsageError: They cannot be read or written.
    """
    parts = tuple(_add(part, folder, runs_dir, say) for part in report.parts)
    return replace(report, parts=parts)


def _add(
    part: StudyPart, folder: ResultsFolder, runs_dir: Path, say: Callable[[str], None]
) -> StudyPart:
    if part.result is None:
        return part
    study, verdicts = part.declared.study, _digest(part)
    shown = folder.read_shown(study)
    if shown.verdicts != verdicts:
        runs = _read_runs(part, runs_dir)
        shown = ShownFiles()
        if runs:
            say(f"drawing the figures of {study}")
            shown, files = _draw(part, runs, verdicts)
            folder.write_shown(study, shown, files)
    return replace(part, shown=shown)


def _digest(part: StudyPart) -> str:
    """Returns a SHA-256 of the verdicts, with what figures say of them."""
    shown = [
        [digest, claim.claim.statement, claim.verdict, claim.would_be, claim.look.seeds,
         claim.p_holm, claim.p_equivalence]
        for digest, claim in zip(part.digests, part.claims, strict=True)
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def _read_runs(part: StudyPart, runs_dir: Path) -> tuple[RunRecord, ...]:
    """Returns the study's own runs, or none if they are not there."""
    result = part.result
    assert result is not None, "it was run"
    experiment = runs_dir / f"{result.study}.{result.tier}"
    if not any(find_runs(experiment)):
        return ()
    cells = {cell.cell for cell in result.cells}
    runs = read_experiments([experiment.name], runs_dir)
    return read_claimed_diagnostics(
        run for run in runs if run.cell in cells and run.seed in result.seeds
    )


def _draw(
    part: StudyPart, runs: Sequence[RunRecord], verdicts: str
) -> tuple[ShownFiles, dict[str, bytes]]:
    """Returns the list of what is shown, and the files by their names."""
    comparison = compare_runs(runs)
    claims = show_results(group_cells(runs), part.claims)
    comparison = replace(comparison, claims=claims)
    files = {_COMPARISON: render_markdown(comparison).encode()}
    figures: dict[str, ShownFigure] = {}
    with figure_settings():
        for place, (digest, claim) in enumerate(zip(part.digests, claims, strict=True), start=1):
            if (chart := build_claim_figure(comparison, claim)) is not None:
                figures[digest], own = _draw_one(chart, f"claim_{place}")
                files |= own
        overviews = []
        charts = [*list_overviews(comparison, runs), *list_unclaimed(comparison, runs)]
        for place, chart in enumerate(charts, start=1):
            shown, own = _draw_one(chart, f"overview_{place}")
            overviews.append(shown)
            files |= own
    return ShownFiles(verdicts, _COMPARISON, figures, tuple(overviews)), files


def list_overviews(comparison: Comparison, runs: Sequence[RunRecord]) -> list[Chart]:
    """Returns figures of all variants, if the claims leave some of them out.

    That is the metric over each swept number, but for crowded figures if others are not, or,
    without one, what the variants differ by in each figure of a whole run that a claim is about,
    such as the speed: as ratios, if the claim is.
    """
    claimed = {
        cell
        for result in comparison.claims
        for part in result.parts
        for side in (part.treatment, part.control)
        for cell in side.cells
    }
    if all(cell.cell in claimed for cell in comparison.cells):
        return []
    charts = [*build_sensitivities(comparison, MOST_WITH_BANDS).values()]
    charts = charts or [*build_sensitivities(comparison).values()]
    if not charts:
        metrics = {
            claim.metric: build_ratios if claim.as_ == "ratio" else build_effects
            for claim in (result.claim for result in comparison.claims)
            if len(claim.tags) == 1 and claim.at is None and not is_diagnostic(claim.metric)
        }
        found = (build(compare_runs(runs, Question(metric))) for metric, build in metrics.items())
        charts = [chart for chart in found if chart is not None]
    return charts[:_MOST_OVERVIEWS]


def list_unclaimed(comparison: Comparison, runs: Sequence[RunRecord]) -> list[Chart]:
    """Returns figures of what diagnostics measured besides what the claims are about."""
    tags = [tag for result in comparison.claims for tag in result.claim.tags]
    claimed = {split_diagnostic(tag)[0] for tag in tags if is_diagnostic(tag)}
    charts = build_diagnostics(show_diagnostics(comparison, runs, read_diagnostics))
    return [chart for name, chart in charts.items() if name not in claimed][:_MOST_UNCLAIMED]


def _draw_one(chart: Chart, name: str) -> tuple[ShownFigure, dict[str, bytes]]:
    card = chart.draw_alone(is_wide=False)
    shown = ShownFigure(f"{name}.png", f"{name}_card.png", chart.title, chart.description)
    return shown, {
        shown.file: chart.draw_alone(is_wide=True).encode_png(_DOTS_PER_INCH),
        shown.card: card.encode_png(_CARD_DOTS / card.figure.get_figwidth()),
    }

"""A comparison of runs, as the command and a notebook ask for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.diagnostics import measure_diagnostic, show_diagnostics
from bnexp.analysis.differences.changed_data import find_changed_data
from bnexp.analysis.predictions import show_predictions
from bnexp.analysis.results import Caveat, CellResult, ClaimResult, Comparison, Question
from bnexp.analysis.where import find_key, select_runs, split_runs
from bnexp.errors import UsageError
from bnexp.runs.measured.diagnostic_tags import LayerReduction, complete_tag, is_diagnostic
from bnexp.runs.measured.diagnostics import read_claimed_diagnostics, read_diagnostics
from bnexp.runs.reading import read_experiments
from bnexp.runs.record import RunRecord


@dataclass(frozen=True)
class Report:
    """What a comparison found; a notebook shows verdicts, table and figure."""

    comparisons: tuple[Comparison, ...]
    """One, or one per value of the key that it was split by."""
    runs: tuple[RunRecord, ...]
    """The runs that were compared."""
    every_run: tuple[RunRecord, ...]
    """Those of the experiments, of which `where` may have selected a part."""
    by: str | None = None
    """The key that it was split by, in full."""
    caveats: tuple[Caveat, ...] = ()
    """What holds for all parts of a comparison that was split."""

    @property
    def cells(self) -> tuple[CellResult, ...]:
        """The cells with their figures, of all comparisons."""
        return tuple(cell for one in self.comparisons for cell in one.cells)

    @property
    def claims(self) -> tuple[ClaimResult, ...]:
        """The claims with their verdicts."""
        return tuple(claim for one in self.comparisons for claim in one.claims)

    @property
    def is_whole(self) -> bool:
        """Whether it is one comparison of all runs."""
        return self.by is None and not self.comparisons[0].where

    def to_dict(self) -> dict[str, Any]:
        """Returns what `--format json` writes; docs/json.md describes it."""
        from bnexp.reports.json import render_json, render_json_by

        text = render_json_by(self.by, *self.comparisons) if self.by else None
        found: dict[str, Any] = json.loads(text or render_json(*self.comparisons))
        return found

    def to_markdown(self) -> str:
        """Returns what `--format md` writes."""
        from bnexp.reports.markdown import render_markdown

        return render_markdown(*self.comparisons)

    def to_html(self) -> str:
        """Returns the page that `--html` writes, which needs no other file and no network."""
        from bnexp.reports.html.page import render_html

        return render_html(self.with_details(), self.runs)

    def with_details(self) -> list[Comparison]:
        """Returns the comparisons with what figures show of single runs.

        That is what diagnostics measured, and what the first run of each cell predicted.
        """
        from bnexp.runs.measured.predictions import read_predictions

        parts = [*split_runs(self.runs, self.by)[1].values()] if self.by else [self.runs]
        found = []
        for comparison, runs in zip(self.comparisons, parts, strict=True):
            diagnosed = show_diagnostics(comparison, runs, read_diagnostics)
            found.append(show_predictions(diagnosed, runs, read_predictions))
        return found

    def __str__(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        cells, runs = len(self.cells), len(self.runs)
        return f"<Report: {self.comparisons[0].metric}, {cells} cells, {runs} runs>"

    def _repr_html_(self) -> str:
        """Shows verdicts, table and figure of the page."""
        from bnexp.reports.html.page import render_fragment

        return render_fragment(self.comparisons)


def compare(
    *names: str,
    runs_dir: str | Path = "runs",
    metric: str = "test/accuracy",
    layers: LayerReduction | None = None,
    baseline: str | None = None,
    target: float | None = None,
    margin: float | None = None,
    by: str | None = None,
    where: Sequence[str] = (),
) -> Report:
    """Compares the variants of experiments over their seeds, as `bnexp compare` does.

    Args:
        names: Experiments, by name or by folder; none means the newest.
        runs_dir: Where runs are kept.
        metric: The tag whose value after the last epoch is compared.
        layers: How a diagnostic's figures of several layers become one.
        baseline: The cell to compare with, or settings that single it out: `norm=none`.
        target: The value to count epochs to; None for the baseline's mean.
        margin: The smallest difference that matters.
        by: A config key; each of its values gets a comparison of its own.
        where: Conditions such as `norm=batch`; runs that do not meet them are left out.

    Raises:
        UsageError: There are no such runs, cells, tags or keys.
    """
    metric = complete_tag(metric, layers)
    every = read_experiments(
        names, Path(runs_dir), meanwhile=lambda: import_module("scipy.special")
    )
    if is_diagnostic(metric):
        every = measure_diagnostic([*map(read_diagnostics, every)], Question(metric, layers=layers))
    elif layers is not None:
        raise UsageError("--layers: goes with a diagnostic, e.g. --metric diag/gradient_norm")
    else:
        every = read_claimed_diagnostics(every)
    chosen, conditions = select_runs(every, where)
    question = Question(metric, baseline, target, margin, conditions, layers)
    changes = find_changed_data(chosen)
    if by is not None:
        key = find_key(by, chosen, "--by")
        return Report(compare_by(chosen, key, question), chosen, every, key, changes)
    found = compare_runs(chosen, question, whole=every)
    found = replace(found, caveats=(*changes, *found.caveats))
    return Report((found,), chosen, every)

"""`bnexp compare`: which variant is better, by how much, how sure that is, at what cost."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bnexp.analysis.results import Comparison


class ReportFormat(StrEnum):
    """How the comparison is written to stdout."""

    TABLE = "table"
    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME|PATH",
        help="Experiments, by name or by folder; without one, the newest.",
        show_default=False,
    ),
]
RunsDir = Annotated[Path, typer.Option(help="Folder that holds the experiments.")]
Metric = Annotated[str, typer.Option(help="Tag whose value after the last epoch is compared.")]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="CELL",
        help="Cell to compare with; by default the first without a norm, else the first.",
        show_default=False,
    ),
]
Target = Annotated[
    float | None,
    typer.Option(
        help="Value that epochs are counted to, as 0.7 for 70 %; by default the baseline's mean.",
        show_default=False,
    ),
]
Format = Annotated[
    ReportFormat, typer.Option("--format", help="How to write the comparison to stdout.")
]
Plots = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Also draw learning curves and effects there, as PNG and SVG.",
        show_default=False,
    ),
]


def compare(
    targets: Targets = None,
    runs_dir: RunsDir = Path("runs"),
    metric: Metric = "test/accuracy",
    baseline: Baseline = None,
    target: Target = None,
    report_format: Format = ReportFormat.TABLE,
    plots: Plots = None,
) -> None:
    """Compare the variants of an experiment over their seeds, with intervals and a verdict."""
    from bnexp.analysis.comparison import compare_runs
    from bnexp.runs.reading import read_experiments

    records = read_experiments(targets or [], runs_dir)
    comparison = compare_runs(records, metric, baseline, target)
    _print(comparison, report_format)
    if plots is not None:
        from bnexp.reports.figures import write_figures

        written = write_figures(comparison, plots)
        for path in written:
            typer.echo(f"wrote {path}", err=True)
        if not written:
            typer.echo("no figures: no run has finished", err=True)


def _print(comparison: Comparison, report_format: ReportFormat) -> None:
    """Writes the report to stdout; what a format has no room for goes to stderr."""
    from bnexp.reports.console import accept_any_text

    accept_any_text()
    match report_format:
        case ReportFormat.TABLE:
            from bnexp.reports.terminal import show_report

            show_report(comparison)
        case ReportFormat.MARKDOWN:
            from bnexp.reports.markdown import render_markdown

            typer.echo(render_markdown(comparison), nl=False)
        case ReportFormat.CSV:
            from bnexp.reports.csv_report import render_csv

            typer.echo(render_csv(comparison), nl=False)
            for warning in comparison.warnings:
                typer.echo(f"warning: {warning}", err=True)
        case ReportFormat.JSON:
            from bnexp.reports.json_report import render_json

            typer.echo(render_json(comparison), nl=False)

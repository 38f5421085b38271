"""`bnexp compare`: which variant is better, by how much, how sure that is, at what cost."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bnexp.cli.names import TierOption, add_tier, complete_experiment, complete_metric
from bnexp.cli.options import RunsDirOption
from bnexp.cli.output import say, warn, write
from bnexp.console import accept_any_text
from bnexp.errors import UsageError, did_you_mean
from bnexp.reports.columns import COLUMNS
from bnexp.runs.measured.diagnostic_tags import LayerReduction

if TYPE_CHECKING:
    from bnexp.analysis.results import Comparison
    from bnexp.runs.record import RunRecord

ReportFormat = Literal["table", "md", "csv", "json", "latex"]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME|PATH",
        help="Experiments, by name or by folder. [default: the newest]",
        autocompletion=complete_experiment,
    ),
]
Metric = Annotated[
    str,
    typer.Option(
        metavar="TAG",
        help="Tag whose value after the last epoch is compared, or a diagnostic's, e.g. "
        "diag/gradient_norm/conv1, whose last value is.",
        autocompletion=complete_metric,
    ),
]
Layers = Annotated[
    LayerReduction | None,
    typer.Option(
        help="How the figures of several layers become one, for --metric diag/gradient_norm (all "
        "layers) or 'diag/gradient_norm/stages.0.*' (those whose names fit).",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="CELL",
        help="Cell to compare with, by name or by the settings that single it out, e.g. norm=none. "
        "[default: the first cell without a norm, else the first]",
    ),
]
Target = Annotated[
    float | None,
    typer.Option(
        metavar="VALUE",
        help="Value to count epochs to, e.g. 0.7 for 70 %. [default: the baseline's mean]",
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        metavar="VALUE",
        help="Smallest difference that matters, e.g. 0.01 for one point: with it, cells can be "
        "shown to be equivalent.",
    ),
]
By = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Make one table per value of a config key, e.g. batch_size."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Keep only runs with this value, e.g. norm=batch; repeatable. Several values of one "
        "key mean any of them.",
    ),
]
Format = Annotated[ReportFormat, typer.Option("--format", help="Format to write to stdout.")]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help=f"Columns to show beside the settings, in this order, for the formats table, md and "
        f"latex, e.g. n,mean,difference: of {', '.join(COLUMNS)}. [default: all]",
    ),
]
Caption = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Caption of the table, for --format latex. [default: what is compared, and notes on "
        "how to read it]",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write one HTML page with tables and figures; it needs no network.",
    ),
]
Plots = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Also draw claims, learning curves, effects, sensitivity, diagnostics, confusions and "
        "mistakes as PNG and SVG here.",
    ),
]


def compare(
    targets: Targets = None,
    tier: TierOption = None,
    runs_dir: RunsDirOption = Path("runs"),
    metric: Metric = "test/accuracy",
    layers: Layers = None,
    baseline: Baseline = None,
    target: Target = None,
    margin: Margin = None,
    by: By = None,
    where: Where = None,
    report_format: Format = "table",
    columns: Columns = None,
    caption: Caption = None,
    html: Html = None,
    plots: Plots = None,
) -> None:
    """Compare the variants of an experiment over their seeds, with intervals and a verdict.

    Claims of the experiment's YAML are assessed on all of its runs, even if --where selects fewer.

    Example: `bnexp compare quickstart --html quickstart.html`
    """
    # Thousands of runs are many objects, none of them in a cycle, and the process ends soon.
    gc.disable()
    from bnexp.api.report import compare as compare_experiments

    chosen = _choose_columns(columns, report_format)
    if caption is not None and report_format != "latex":
        raise UsageError("--caption: only --format latex has one; leave it out")
    named = [add_tier(target, tier, runs_dir) for target in targets or []]
    if tier and not named:
        raise UsageError("--tier: name the experiment too, e.g. bnexp compare quickstart --tier x")
    report = compare_experiments(
        *named,
        runs_dir=runs_dir,
        metric=metric,
        layers=layers,
        baseline=baseline,
        target=target,
        margin=margin,
        by=by,
        where=where or (),
    )
    for caveat in report.caveats:
        warn(caveat.text)
    if by and any(record.claims for record in report.runs):
        say("the experiment's claims are only judged without --by")
    _print(report.comparisons, report_format, report.by, chosen, caption)
    if report.is_whole:
        _write_events(report.comparisons[0], report.every_run)
    if html is None and plots is None:
        return
    shown = report.with_details()
    if html is not None:
        from bnexp.reports.html.page import write_html

        say(f"wrote {write_html(shown, report.runs, html)}")
    if plots is not None:
        _write_figures(shown, plots)


def _choose_columns(names: str | None, report_format: ReportFormat) -> list[str] | None:
    """Returns the names of the columns asked for, or None if none are.

    Raises:
        UsageError: There is no such column, or the format always has all.
    """
    if names is None:
        return None
    if report_format in ("csv", "json"):
        raise UsageError(f"--columns: {report_format} always holds all figures; leave it out")
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in COLUMNS:
            hint = did_you_mean(name, COLUMNS)
            raise UsageError(f"--columns: '{name}' is not one of {', '.join(COLUMNS)}{hint}")
    return list(dict.fromkeys(chosen))


def _print(
    comparisons: Sequence[Comparison],
    report_format: ReportFormat,
    by: str | None = None,
    columns: Sequence[str] | None = None,
    caption: str | None = None,
) -> None:
    """Writes the report to stdout; what a format has no room for goes to stderr."""
    from bnexp.reports.csv import render_csv
    from bnexp.reports.json import render_json, render_json_by
    from bnexp.reports.latex import render_latex
    from bnexp.reports.markdown import render_markdown
    from bnexp.reports.terminal import show_report

    accept_any_text()
    match report_format:
        case "table":
            show_report(*comparisons, columns=columns)
        case "md":
            write(render_markdown(*comparisons, columns=columns))
        case "csv":
            write(render_csv(*comparisons, by=by))
            _print_what_csv_lacks(comparisons)
        case "json":
            text = render_json_by(by, *comparisons) if by else render_json(*comparisons)
            write(text)
        case "latex":
            write(render_latex(*comparisons, columns=columns, caption=caption))


def _print_what_csv_lacks(comparisons: Sequence[Comparison]) -> None:
    """Writes warnings and claims to stderr: a table of cells has no row for them."""
    from bnexp.reports.words.claims import describe_claim

    for comparison in comparisons:
        for caveat in comparison.caveats:
            warn(caveat.text)
        for claim in comparison.claims:
            text = describe_claim(claim)
            say(f"claim: {text.heading}: {text.statement}")


def _write_events(comparison: Comparison, records: Sequence[RunRecord]) -> None:
    """Puts the comparison of one whole experiment into its folder, for TensorBoard."""
    from bnexp.reports.tensorboard.report import write_to_tensorboard
    from bnexp.runs.run_dir import COMPARISON

    folders = {record.experiment_folder for record in records}
    if len(folders) == 1:
        folder = folders.pop() / COMPARISON
        write_to_tensorboard(comparison, records, folder, warn)


def _write_figures(comparisons: Sequence[Comparison], directory: Path) -> None:
    from bnexp.reports.figures.files import write_figures

    written = write_figures(comparisons, directory)
    for path in written:
        say(f"wrote {path}")
    if not written:
        say("no figures: no run has finished")

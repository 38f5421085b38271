"""`bnexp study`: trains studies and reports the verdicts on their claims as one family."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bnexp.cli.experiments.train import DeviceOption, JobsOption
from bnexp.cli.options import RunsDirOption, SetOption
from bnexp.cli.output import print_table, say, warn, write
from bnexp.console import accept_any_text
from bnexp.errors import UsageError
from bnexp.launch.options import LaunchOptions
from bnexp.launch.screen.output import open_output
from bnexp.wording import command_to_paste, count

if TYPE_CHECKING:
    from bnexp.studies.catalogue import Study
    from bnexp.studies.report.build import StudyReport
    from bnexp.studies.results_folder import ResultsFolder

LIST = "list"
STUDIES = "_studies"
"""The folder of results in the runs folder; no experiment's name begins like that."""

ReportFormat = Literal["table", "md", "json"]
TierName = Annotated[
    str, typer.Option(metavar="NAME", help="Tier of the studies, e.g. smoke, cpu or full.")
]


def _complete(incomplete: str) -> list[str]:
    from bnexp.studies.catalogue import list_studies

    names = [LIST, *(one.name for one in list_studies())]
    return [name for name in names if name.startswith(incomplete)]


def study(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="list|NAME",
            help="list, or studies: by number, by name, or a YAML file with claims.",
            autocompletion=_complete,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All studies that come with bnexp.")] = False,
    tier: TierName = "cpu",
    settings: SetOption = None,
    runs_dir: RunsDirOption = Path("runs"),
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where results and the list of the report's studies are kept. "
            "[default: RUNS_DIR/_studies/TIER]",
        ),
    ] = None,
    jobs: JobsOption = None,
    device: DeviceOption = None,
    declare: Annotated[
        bool,
        typer.Option(
            "--declare",
            help="Only settle which studies the report is about, and show what would be trained; "
            "replaces an earlier list.",
        ),
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Train nothing; report what there is.")
    ] = False,
    report_format: Annotated[
        ReportFormat,
        typer.Option(
            "--format",
            help="Format of the report on stdout; the links in md are relative to this folder.",
        ),
    ] = "table",
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the report as one HTML page with figures."),
    ] = None,
) -> None:
    """Train studies, and report the verdicts on all their claims, corrected as one family.

    The first command settles which studies the report is about; later ones may train some of them.
    To continue after an interruption, run the same command again.

    Example: `bnexp study list`, then `bnexp study --all --tier smoke`
    """
    from bnexp.studies.results_folder import ResultsFolder

    folder = ResultsFolder(results or runs_dir / STUDIES / tier)
    if names == [LIST]:
        _print_list(folder)
        return
    code = 0
    if report:
        _refuse_more_than_report(names, every, declare)
    else:
        chosen = _choose(names, every)
        code = _train(chosen, folder, tier, settings or [], runs_dir, jobs, device, declare)
    if code > 128:  # stopped by a signal
        raise typer.Exit(code)
    if not declare:
        _show_report(folder, runs_dir, report_format, html)
        if report_format == "table":
            _say_where_to_look(folder, html, _write_page_command(results, runs_dir, tier))
    if code:
        raise typer.Exit(code)


def _show_report(
    folder: ResultsFolder, runs_dir: Path, report_format: ReportFormat, html: Path | None
) -> None:
    """Prints the report, and writes it for TensorBoard and, if it is asked for, as a page."""
    from bnexp.studies.report.build import build_report
    from bnexp.studies.report.drawing import add_shown
    from bnexp.studies.report.page import write_studies_html
    from bnexp.studies.report.tensorboard import write_studies_to_tensorboard

    found = add_shown(build_report(folder), folder, runs_dir, say)
    _print_report(found, report_format, folder.path)
    write_studies_to_tensorboard(found, folder, warn)
    if html is not None:
        say(f"wrote {write_studies_html(found, folder, html)}")


def _say_where_to_look(folder: ResultsFolder, html: Path | None, page_command: str) -> None:
    """Says how to see the report elsewhere than on the terminal."""
    if html is None:
        say(f"one page:    {page_command}")
    if folder.events.is_dir():
        say(f"TensorBoard: {command_to_paste(['tensorboard', '--logdir', str(folder.events)])}")


def _write_page_command(results: Path | None, runs_dir: Path, tier: str) -> str:
    """Returns the command that writes the report as a page."""
    where = ["--tier", tier]
    where += ["--runs-dir", str(runs_dir)] if runs_dir != Path("runs") else []
    where += ["--results", str(results)] if results else []
    return command_to_paste(["bnexp", "study", "--report", *where, "--html", "studies.html"])


def _refuse_more_than_report(names: Sequence[str] | None, every: bool, declare: bool) -> None:
    if declare:
        raise UsageError("--report trains and declares nothing; give it or --declare")
    if names or every:
        raise UsageError(
            "--report is about all studies that were declared: leave the names out, or name "
            "another folder of results (--results)"
        )


def _choose(names: Sequence[str] | None, every: bool) -> list[Study]:
    from bnexp.studies.catalogue import find_study, list_studies

    if every == bool(names):
        raise UsageError("name studies, or give --all; `bnexp study list` lists them")
    return list_studies() if every else [find_study(name) for name in names or []]


def _train(
    chosen: Sequence[Study],
    folder: ResultsFolder,
    tier: str,
    settings: list[str],
    runs_dir: Path,
    jobs: int | None,
    device: str | None,
    is_declaring: bool,
) -> int:
    from bnexp.studies.declaring import declare, find_family
    from bnexp.studies.planning import PLAN_HEADERS, describe_undecidable_claims, list_plans
    from bnexp.studies.training import StudyTrainer, note_claims_of, prepare_studies

    prepared = prepare_studies(chosen, tier, settings, device)
    setups = [one.setup for one in prepared]
    if is_declaring:
        family = declare(folder, setups, tier)
        note_claims_of(prepared, runs_dir)
        claims = count(family.size, "claim")
        title = f"{folder.family}: {count(len(setups), 'study')} with {claims}, as one family"
        print_table(PLAN_HEADERS, list_plans(prepared), PLAN_HEADERS[1:], title)
        for warning in describe_undecidable_claims(prepared, family):
            warn(warning)
        return 0
    family = find_family(folder, setups, tier)
    say(f"one family of {count(family.size, 'claim')} ({folder.family})")
    options = LaunchOptions("local", jobs)
    trainer = StudyTrainer(folder, family, runs_dir, options, open_output(sys.stderr))
    return trainer.train(prepared)


def _print_list(folder: ResultsFolder) -> None:
    from bnexp.studies.catalogue import count_claims, list_studies
    from bnexp.studies.report.build import describe_verdicts

    found = describe_verdicts(folder)
    headers = ("no.", "study", "claims", *(["verdicts"] if found else []), "purpose")
    rows = []
    for one in list_studies():
        verdicts = [found.get(one.name, "")] if found else []
        row = (str(one.number), one.name, str(count_claims(one)), *verdicts, one.purpose)
        rows.append(row)
    print_table(headers, rows, ("no.", "claims"))


def _print_report(report: StudyReport, report_format: ReportFormat, folder: Path) -> None:
    from bnexp.reports.terminal import show
    from bnexp.studies.report.json import render_studies_json
    from bnexp.studies.report.markdown import render_studies_markdown
    from bnexp.studies.report.terminal import print_studies

    accept_any_text()
    match report_format:
        case "table":
            show(lambda console: print_studies(console, report))
        case "md":
            write(render_studies_markdown(report, folder))
        case "json":
            write(render_studies_json(report))

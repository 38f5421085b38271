"""`bnexp doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bnexp.cli.names import (
    TierOption,
    add_tier,
    complete_config_or_experiment,
    find_named_config,
)
from bnexp.cli.options import JsonOption, RunsDirOption, SetOption
from bnexp.cli.output import print_json, say, write
from bnexp.console import open_console
from bnexp.errors import UsageError
from bnexp.foreign_text import visible
from bnexp.runs import read_experiments
from bnexp.wording import count

if TYPE_CHECKING:
    from bnexp.doctor.finding import Finding, Severity

_MARKS: dict[Severity, tuple[str, str]] = {
    "fine": ("✓", "green"),
    "note": ("·", "cyan"),
    "warning": ("!", "bold yellow"),
    "error": ("✗", "bold red"),
}
"""The mark of a finding, and its style."""
_PARTS = ("place", "evidence", "cause", "fix")


def doctor(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG_OR_RUN",
            help="A YAML file, a config that comes with bnexp, or a run: NAME/CELL/seed=N, NAME, "
            "or a folder. [default: this machine]",
            autocompletion=complete_config_or_experiment,
        ),
    ] = None,
    settings: SetOption = None,
    tier: TierOption = None,
    runs_dir: RunsDirOption = Path("runs"),
    is_json: JsonOption = False,
) -> None:
    """Find what is wrong with this machine, a config or a run; say why, and how to fix it.

    Without an argument: versions, device, threads, memory, disk, locks, datasets and TensorBoard.
    A config is checked for everything that people get wrong with batch norm and that it can show.
    A run that has ended is also evaluated, with running, precise and batch statistics, and the
    cause of a gap between them is named.

    Exit code 1 means that something is wrong; warnings alone leave it at 0.

    Example: `bnexp doctor quickstart`
    """
    from bnexp.doctor.examination import examine_config, examine_machine, examine_run

    if target is None:
        _refuse_settings(settings, tier)
        say("looking at this machine; this takes a few seconds…")
        _finish("this machine", examine_machine(runs_dir), is_json)
        return
    run = add_tier(target, tier, runs_dir)
    config = find_named_config(target, run, runs_dir)
    if config:
        _finish(str(config), examine_config(config, settings or [], tier, say), is_json)
        return
    _refuse_settings(settings, None)
    records = read_experiments([run], runs_dir)
    if len(records) > 1:
        say(f"the first of {len(records)} runs; bnexp ls {run} lists them")
    say("evaluating the run with running, precise and batch statistics")
    _finish(str(records[0].path), examine_run(records[0], say), is_json)


def _refuse_settings(settings: Sequence[str] | None, tier: str | None) -> None:
    if settings or tier:
        raise UsageError("-s and --tier change a config; name one: bnexp doctor CONFIG")


def _finish(subject: str, findings: Sequence[Finding], is_json: bool) -> None:
    """Prints the findings, and exits with 1 if one is an error."""
    counts = Counter(finding.severity for finding in findings)
    if is_json:
        shown = [asdict(finding) for finding in findings]
        print_json({"subject": subject, "is_sound": not counts["error"], "findings": shown})
    else:
        _show(subject, findings, counts)
    if counts["error"]:
        raise typer.Exit(1)


def _show(subject: str, findings: Sequence[Finding], counts: Counter[Severity]) -> None:
    """Prints to stdout, without trailing blanks if that is no terminal."""
    console = open_console()
    if console.is_terminal:
        _print(console, subject, findings, counts)
        return
    with console.capture() as capture:
        _print(console, subject, findings, counts)
    write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def _print(
    console: Console, subject: str, findings: Sequence[Finding], counts: Counter[Severity]
) -> None:
    console.print(Text(visible(subject), "bold"))
    for finding in findings:
        _print_finding(console, finding)
    wrong = [count(counts[kind], kind) for kind in ("error", "warning") if counts[kind]]
    console.print()
    console.print(Text(", ".join(wrong) if wrong else "nothing is wrong", "bold"))


def _print_finding(console: Console, finding: Finding) -> None:
    mark, style = _MARKS[finding.severity]
    if not finding.is_wrong:
        console.print(_build_grid([(Text(mark, style), _describe(finding))], 1))
        return
    console.print()
    console.print(_build_grid([(Text(mark, style), Text(visible(finding.what), style))], 1))
    rows = [(Text(part, "dim"), Text(visible(getattr(finding, part)))) for part in _PARTS]
    grid = _build_grid([row for row in rows if row[1]], len("evidence"))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _describe(finding: Finding) -> Text:
    text = Text(visible(finding.what))
    if finding.evidence:
        text.append(f": {visible(finding.evidence)}", "dim")
    if finding.place:
        text.append(f" ({visible(finding.place)})", "dim")
    return text


def _build_grid(rows: Sequence[tuple[Text, Text]], width: int) -> Table:
    """Returns two columns, the left one that wide; long texts hang under their start."""
    grid = Table.grid(padding=(0, 2, 0, 0) if width > 1 else (0, 1, 0, 0))
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid

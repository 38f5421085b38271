"""`bnexp doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bnexp.cli.options import JsonOption, RunsDirOption
from bnexp.cli.output import print_json, say, write
from bnexp.console import open_console
from bnexp.foreign_text import visible
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


def doctor(runs_dir: RunsDirOption = Path("runs"), is_json: JsonOption = False) -> None:
    """Find what is wrong with this machine; say why, and how to fix it.

    Versions, device, threads, memory, disk, locks, datasets and TensorBoard are looked at. Exit
    code 1 means that something is wrong; warnings alone leave it at 0.

    Example: `bnexp doctor`
    """
    from bnexp.doctor.examination import examine_machine

    say("looking at this machine; this takes a few seconds…")
    _finish("this machine", examine_machine(runs_dir), is_json)


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
    return text


def _build_grid(rows: Sequence[tuple[Text, Text]], width: int) -> Table:
    """Returns two columns, the left one that wide; long texts hang under their start."""
    grid = Table.grid(padding=(0, 2, 0, 0) if width > 1 else (0, 1, 0, 0))
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid

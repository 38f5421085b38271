"""`bnexp doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from bnexp.cli.names import (
    TierOption,
    add_tier,
    complete_config_or_experiment,
    find_named_config,
)
from bnexp.cli.options import JsonOption, RunsDirOption, SetOption, TrustOption
from bnexp.cli.output import print_json, say
from bnexp.console import open_console
from bnexp.errors import UsageError
from bnexp.foreign_text import visible
from bnexp.wording import count, wrap_words

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
_INDENT = 12
"""Characters before each part of a finding, its name among them."""


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
    is_trusted: TrustOption = False,
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
    from bnexp.models.file.trust import trusting_files
    from bnexp.runs import read_experiments

    if target is None:
        _refuse_settings(settings, tier)
        say("looking at this machine; this takes a few seconds…")
        _finish("this machine", examine_machine(runs_dir), is_json)
        return
    run = add_tier(target, tier, runs_dir)
    config = find_named_config(target, run, runs_dir)
    if config:
        with trusting_files(is_trusted):
            findings = examine_config(config, settings or [], tier, say)
        _finish(str(config), findings, is_json)
        return
    _refuse_settings(settings, None)
    records = read_experiments([run], runs_dir)
    if len(records) > 1:
        say(f"the first of {len(records)} runs; bnexp ls {run} lists them")
    say("evaluating the run with running, precise and batch statistics")
    with trusting_files(is_trusted):
        findings = examine_run(records[0], say)
    _finish(str(records[0].path), findings, is_json)


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
        _print(subject, findings, counts)
    if counts["error"]:
        raise typer.Exit(1)


def _print(subject: str, findings: Sequence[Finding], counts: Counter[Severity]) -> None:
    console = open_console()
    _print_line(console, subject, "bold")
    for finding in findings:
        _print_finding(console, finding)
    wrong = [count(counts[kind], kind) for kind in ("error", "warning") if counts[kind]]
    console.print()
    _print_line(console, ", ".join(wrong) if wrong else "nothing is wrong", "bold")


def _print_finding(console: Console, finding: Finding) -> None:
    mark, style = _MARKS[finding.severity]
    head = f"{mark} {finding.what}"
    if finding.is_wrong:
        console.print()
        _print_line(console, head, style)
        for part in _PARTS:
            if text := getattr(finding, part):
                _print_line(console, f"  {part:<{_INDENT - 2}}{text}", "dim", _INDENT, _INDENT)
        return
    if finding.evidence:
        head += f": {finding.evidence}"
    if finding.place:
        head += f" ({finding.place})"
    _print_line(console, head, style, end=len(mark))


def _print_line(
    console: Console, line: str, style: str, indent: int = 2, end: int | None = None
) -> None:
    """Prints a line whose start, up to `end`, has a style; a terminal gets it in hanging lines."""
    shown = visible(line)
    text = Text(wrap_words(shown, console.width, indent) if console.is_terminal else shown)
    text.stylize(style, 0, end)
    console.print(text, soft_wrap=True)

"""`bnexp rm`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bnexp.cli.names import complete_run
from bnexp.cli.options import RunsDirOption
from bnexp.cli.output import say
from bnexp.cli.runs.run_states import count_states, describe_state
from bnexp.errors import UsageError
from bnexp.wording import count

if TYPE_CHECKING:
    from bnexp.runs.removal import Removal

MOST_LISTED = 20


def rm(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Runs, cells or experiments: NAME, NAME/CELL, NAME/CELL/seed=N, or a folder.",
            autocompletion=complete_run,
        ),
    ],
    runs_dir: RunsDirOption = Path("runs"),
    is_sure: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete runs with everything in their folders; asks first.

    A run that is being trained, a symbolic link and a folder without runs are refused, and
    then nothing is deleted. Your own files next to the runs are kept.

    Example: `bnexp rm quickstart/norm=batch/seed=3`
    """
    from bnexp.runs.removal import plan_removal, remove

    removals = plan_removal(targets, runs_dir)
    for removal in removals:
        _announce(removal)
    number = len({run for removal in removals for run in removal.runs})
    if not is_sure:
        _ask(number)
    for removal in removals:
        # Another target may have deleted some: an experiment, and then one of its runs.
        there = tuple(run for run in removal.runs if run.exists())
        if left := remove(replace(removal, runs=there)):
            names = ", ".join(path.name for path in left)
            say(f"kept {names} in {removal.folder}: not written by bnexp")
    say(f"deleted {count(number, 'run')}")


def _announce(removal: Removal) -> None:
    from bnexp.runs import read_run

    records = [read_run(path, with_config=False) for path in removal.runs]
    say(f"{removal.folder}: {count(len(records), 'run')}, {count_states(records)}")
    for record in records[:MOST_LISTED]:
        say(f"  {record.path}  {describe_state(record)}")
    if len(records) > MOST_LISTED:
        say(f"  and {len(records) - MOST_LISTED} more")


def _ask(number: int) -> None:
    try:
        if sys.stdin is None:  # closed before Python began, e.g. by <&-
            raise typer.Abort
        agreed = typer.confirm(f"Permanently delete {count(number, 'run')}?", err=True)
    except typer.Abort:
        raise UsageError("nothing deleted: no answer; --yes deletes without asking") from None
    if not agreed:
        say("nothing deleted")
        raise typer.Exit(1)

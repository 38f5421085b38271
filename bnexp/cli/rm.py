"""`bnexp rm`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bnexp.cli.run_states import count_states, describe_state
from bnexp.errors import UsageError
from bnexp.runs import read_run
from bnexp.runs.removal import Removal, plan_removal, remove
from bnexp.wording import count

MOST_LISTED = 20


def rm(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Runs, cells or experiments: NAME, NAME/CELL, NAME/CELL/seed=N, or a folder.",
        ),
    ],
    runs_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    is_sure: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove runs, with all that is in their folders; asks first.

    A run that is being trained, a symbolic link and a folder without runs are refused, and
    then nothing is removed. Files of your own beside the runs are kept.
    """
    removals = plan_removal(targets, runs_dir)
    for removal in removals:
        _announce(removal)
    number = len({run for removal in removals for run in removal.runs})
    if not is_sure:
        _ask(number)
    for removal in removals:
        left = remove(_still_there(removal))
        if left:
            names = ", ".join(path.name for path in left)
            typer.echo(f"kept, not created by bnexp: {names} in {removal.folder}", err=True)
    typer.echo(f"removed {count(number, 'run')}", err=True)


def _announce(removal: Removal) -> None:
    records = [read_run(path, with_config=False) for path in removal.runs]
    typer.echo(f"{removal.folder}: {count(len(records), 'run')}, {count_states(records)}", err=True)
    for record in records[:MOST_LISTED]:
        typer.echo(f"  {record.path}  {describe_state(record)}", err=True)
    if len(records) > MOST_LISTED:
        typer.echo(f"  and {len(records) - MOST_LISTED} more", err=True)


def _ask(number: int) -> None:
    try:
        if sys.stdin is None:  # closed before Python began, as with <&-
            raise typer.Abort
        agreed = typer.confirm(f"Remove {count(number, 'run')} for good?", err=True)
    except typer.Abort:
        raise UsageError("nothing removed: nobody answered; --yes removes without asking") from None
    if not agreed:
        typer.echo("nothing removed", err=True)
        raise typer.Exit(1)


def _still_there(removal: Removal) -> Removal:
    """Leaves out what another target has removed, an experiment and one of its runs, say."""
    return Removal(removal.folder, tuple(run for run in removal.runs if run.exists()))

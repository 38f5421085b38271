"""`bnexp check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bnexp.cli.names import RunNamesArgument
from bnexp.cli.options import RunsDirOption
from bnexp.cli.output import echo, say
from bnexp.errors import BnexpError
from bnexp.wording import count


def check(
    names: RunNamesArgument = None,
    runs_dir: RunsDirOption = Path("runs"),
    is_repairing: Annotated[
        bool, typer.Option("--repair", help="Correct what can be corrected without guessing.")
    ] = False,
) -> None:
    """Verify every file of runs against its seal, tensors included; exit 1 if any is wrong.

    A run that is being trained is left out. `--repair` deletes temporary files of processes that
    were killed and corrects outdated states; what was lost or altered it cannot bring back, but
    the `bnexp train` command of the run may.

    Example: `bnexp check quickstart`
    """
    from bnexp.runs.inspection import inspect
    from bnexp.runs.reading import find_every_run, find_folder, list_experiments

    folders = [find_folder(name, runs_dir) for name in names or ()] or list_experiments(runs_dir)
    runs = list(dict.fromkeys(run for folder in folders for run in sorted(find_every_run(folder))))
    left: set[str] = set()
    for run in runs:
        problems = inspect(run)
        if is_repairing and any(problem.is_repairable for problem in problems):
            _repair(run)
            repaired, problems = problems, inspect(run)
            for problem in (problem for problem in repaired if problem not in problems):
                say(f"repaired: {problem.text}")
        for problem in problems:
            if problem.text not in left:  # the same file may be beside many runs
                echo(problem.text)
            left.add(problem.text)
    say(f"{count(len(runs), 'run')} checked, {count(len(left), 'problem')}")
    if left:
        raise typer.Exit(1)


def _repair(run: Path) -> None:
    from bnexp.runs.inspection import repair

    try:
        repair(run)
    except OSError as error:
        raise BnexpError(f"{run} cannot be written: {error.strerror or error}") from error

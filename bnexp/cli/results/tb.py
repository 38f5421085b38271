"""`bnexp tb`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from bnexp.cli.names import RunNamesArgument
from bnexp.cli.options import RunsDirOption
from bnexp.cli.output import say
from bnexp.errors import UsageError

if TYPE_CHECKING:
    from bnexp.reports.tensorboard.serve import Links


def tb(
    names: RunNamesArgument = None,
    runs_dir: RunsDirOption = Path("runs"),
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="The port to serve on; 0 picks a free one."
        ),
    ] = 6006,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to serve on.")
    ] = "localhost",
    aggregate: Annotated[
        bool,
        typer.Option(
            "--aggregate", help="Show the means that `bnexp compare` wrote instead of the runs."
        ),
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the address in the browser.")] = False,
) -> None:
    """Start TensorBoard on the runs and their comparison; Ctrl-C stops it.

    The last line is the address to open.

    Example: `bnexp tb quickstart --open`
    """
    from bnexp.reports.tensorboard.serve import LINE_COLOURS, Shown, link_runs, name_apart, serve
    from bnexp.runs.reading import find_folder, list_experiments

    if aggregate:
        comparisons = _find_comparisons(names or [], runs_dir)
        shown = Shown(lambda: comparisons, LINE_COLOURS)
    elif names:
        folders = list(dict.fromkeys(find_folder(name, runs_dir).resolve() for name in names))
        named = dict(zip(name_apart(folders), folders, strict=True))
        shown = Shown(lambda: link_runs(named))
    else:
        if not os.path.isdir(runs_dir):  # noqa: PTH112 - also False if the name is too long
            raise UsageError(f"no folder {runs_dir}; train some runs first: bnexp train CONFIG")
        shown = Shown(lambda: link_runs({path.name: path for path in list_experiments(runs_dir)}))
    raise typer.Exit(serve(shown, host, port, say, open_))


def _find_comparisons(names: Sequence[str], runs_dir: Path) -> Links:
    """Returns the comparisons of the experiments, and says which of all have none.

    Raises:
        UsageError: A named experiment has none, or no experiment has one.
    """
    from bnexp.reports.tensorboard.serve import name_apart
    from bnexp.runs.reading import list_experiments, read_experiments
    from bnexp.runs.run_dir import COMPARISON

    experiments = [
        read_experiments([name], runs_dir)[0].path.resolve().parents[1] for name in names
    ]
    found = list(dict.fromkeys(experiments)) or list_experiments(runs_dir)
    missing = [path for path in found if not (path / COMPARISON).is_dir()]
    if missing and names:
        name = names[experiments.index(missing[0])]
        raise UsageError(f"no comparison in {missing[0]}; make one: bnexp compare {name}")
    if missing == found:
        raise UsageError(f"no comparison in {runs_dir}; make one: bnexp compare NAME")
    if missing:
        listed = ", ".join(path.name for path in missing)
        say(f"without a comparison (bnexp compare NAME): {listed}")
    found = [path for path in found if path not in missing]
    named = zip(name_apart(found), found, strict=True)
    return {
        PurePosixPath(name, run.name): run
        for name, path in named
        for run in (path / COMPARISON).iterdir()
        if run.is_dir()
    }

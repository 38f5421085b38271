"""`bnexp tb`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from bnexp.cli.options import RunsDirOption
from bnexp.errors import UsageError
from bnexp.runs import list_experiments, read_experiments
from bnexp.runs.tensorboard_events import RUN_COLOURS

_COMPARISON = "_compare"
"""The folder that `bnexp compare` writes in an experiment's folder."""


def tb(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Experiments, cells or runs. [default: all]"),
    ] = None,
    runs_dir: RunsDirOption = Path("runs"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to serve on; 0 picks a free one.")
    ] = 6006,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "localhost",
    aggregate: Annotated[
        bool,
        typer.Option(
            "--aggregate", help="Show the means that `bnexp compare` wrote instead of the runs."
        ),
    ] = False,
) -> None:
    """Start TensorBoard on the runs; Ctrl-C stops it."""
    find = _find_comparison if aggregate else _find
    folders = list(dict.fromkeys(find(name, runs_dir) for name in names or []))
    if not folders:
        folders = _all_comparisons(runs_dir) if aggregate else [_check(runs_dir)]
    if len(folders) == 1:
        _serve(folders[0], host, port)
        return
    with tempfile.TemporaryDirectory(prefix="bnexp-tb-") as shown:
        for name, folder in zip(_name_apart(folders), folders, strict=True):
            (Path(shown) / name).symlink_to(folder, target_is_directory=True)
        _serve(Path(shown), host, port)


def _find(name: str, runs_dir: Path) -> Path:
    """Returns the absolute folder of the experiment, cell or run of that name.

    Raises:
        UsageError: The folder does not exist or has no runs.
    """
    run = read_experiments([name], runs_dir)[0].path.resolve()
    candidates = [(runs_dir / name).resolve(), Path(name).resolve()]
    return next(folder for folder in candidates if run.is_relative_to(folder))


def _check(runs_dir: Path) -> Path:
    if not os.path.isdir(runs_dir):  # noqa: PTH112 - also False if the name is too long
        raise UsageError(f"no folder {runs_dir}; train some runs first: bnexp train CONFIG")
    return runs_dir


def _find_comparison(name: str, runs_dir: Path) -> Path:
    """Returns the absolute folder of that experiment's comparison.

    Raises:
        UsageError: There are no such runs, or there is no comparison of them.
    """
    experiment = read_experiments([name], runs_dir)[0].path.resolve().parent.parent
    comparison = experiment / _COMPARISON
    if not comparison.is_dir():
        raise UsageError(f"no comparison in {experiment}; make one: bnexp compare {name}")
    return comparison


def _all_comparisons(runs_dir: Path) -> list[Path]:
    """Returns the comparisons of all experiments that have one, and says which ones do not.

    Raises:
        UsageError: No experiment has one.
    """
    experiments = list_experiments(runs_dir)
    found = [path / _COMPARISON for path in experiments if (path / _COMPARISON).is_dir()]
    if not found:
        raise UsageError(f"no comparison in {runs_dir}; make one: bnexp compare NAME")
    missing = [path.name for path in experiments if not (path / _COMPARISON).is_dir()]
    if missing:
        typer.echo(f"without a comparison (bnexp compare NAME): {', '.join(missing)}", err=True)
    return [path.resolve() for path in found]


def _name_apart(folders: Sequence[Path]) -> list[str]:
    """Returns a different name for each folder, made of as few of its last parts as possible."""
    shown = [folder.parent if folder.name == _COMPARISON else folder for folder in folders]
    for depth in range(1, max(len(folder.parts) for folder in shown)):
        names = ["_".join(folder.parts[-depth:]) for folder in shown]
        if len(set(names)) == len(names):
            return names
    return [f"{number}_{folder.name}" for number, folder in enumerate(shown, start=1)]


def _serve(folder: Path, host: str, port: int) -> None:
    # -P: a file of the user's, e.g. cmd.py, must not replace a module of that name.
    command = [sys.executable, "-P", "-m", "tensorboard.main", "--logdir", str(folder)]
    command += ["--host", host, "--port", str(port), "--reload_multifile", "true"]
    # TensorBoard reads events without TensorFlow, so a line about its absence helps nobody.
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    _say_how_to_colour(host, port)
    server = subprocess.Popen(command, env=environment)
    # Ctrl-C reaches both processes; a SIGTERM to this one must stop the server too.
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        code = server.wait()
    except KeyboardInterrupt:
        code = server.wait()
    raise typer.Exit(0 if code in (0, -signal.SIGTERM, -signal.SIGINT) else 1)


def _say_how_to_colour(host: str, port: int) -> None:
    """Says how to give all runs of a cell one colour, with a link if the port is known."""
    by_hand = f'palette ("Color runs by...") > Regex: {RUN_COLOURS}'
    if port == 0:
        typer.echo(f"one colour per cell: on the page Time Series, {by_hand}", err=True)
        return
    name = "localhost" if host in ("0.0.0.0", "::") else host
    rule = quote(f"regex:{RUN_COLOURS}", safe="")
    typer.echo(
        f"one colour per cell: http://{name}:{port}/?runColorGroup={rule}#timeseries", err=True
    )
    typer.echo(f"or by hand on that page: {by_hand}", err=True)

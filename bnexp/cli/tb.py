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

import typer

from bnexp.errors import UsageError
from bnexp.runs import read_experiments


def tb(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Experiments; all without a name.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to serve on; 0 takes a free one.")
    ] = 6006,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "localhost",
) -> None:
    """Start TensorBoard on the runs; Ctrl-C ends it."""
    if not names:
        if not os.path.isdir(runs_dir):  # noqa: PTH112 - False too where the name is too long
            raise UsageError(f"no folder {runs_dir}; train some runs first: bnexp train CONFIG")
        _serve(runs_dir, host, port)
        return
    folders = list(dict.fromkeys(_find(name, runs_dir) for name in names))
    if len(folders) == 1:
        _serve(folders[0], host, port)
        return
    with tempfile.TemporaryDirectory(prefix="bnexp-tb-") as shown:
        for name, folder in zip(_name_apart(folders), folders, strict=True):
            (Path(shown) / name).symlink_to(folder, target_is_directory=True)
        _serve(Path(shown), host, port)


def _find(name: str, runs_dir: Path) -> Path:
    """Returns the absolute folder of that name, of an experiment, a cell or a run.

    Raises:
        UsageError: There are no runs in such a folder.
    """
    run = read_experiments([name], runs_dir)[0].path.resolve()
    candidates = [(runs_dir / name).resolve(), Path(name).resolve()]
    return next(folder for folder in candidates if run.is_relative_to(folder))


def _name_apart(folders: Sequence[Path]) -> list[str]:
    """Returns a different name for each folder, of as few of its last parts as that takes."""
    for depth in range(1, max(len(folder.parts) for folder in folders)):
        names = ["_".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [f"{number}_{folder.name}" for number, folder in enumerate(folders, start=1)]


def _serve(folder: Path, host: str, port: int) -> None:
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    command += ["--host", host, "--port", str(port), "--reload_multifile", "true"]
    # TensorFlow is not needed to read events; its absence is not worth a line.
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    server = subprocess.Popen(command, env=environment)
    # Ctrl-C reaches both; whoever ends this command alone ends the server with it.
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        code = server.wait()
    except KeyboardInterrupt:
        code = server.wait()
    raise typer.Exit(0 if code in (0, -signal.SIGTERM, -signal.SIGINT) else 1)

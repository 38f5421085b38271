"""`bnexp tb`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bnexp.errors import UsageError
from bnexp.runs import read_experiments


def tb(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Experiments; all without a name.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    port: Annotated[int, typer.Option(help="The port to serve on; 0 takes a free one.")] = 6006,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "localhost",
) -> None:
    """Start TensorBoard on the runs; Ctrl-C ends it."""
    if not names:
        if not runs_dir.is_dir():
            raise UsageError(f"no folder {runs_dir}; train some runs first: bnexp train CONFIG")
        _serve(runs_dir, host, port)
        return
    folders = {name: _find(name, runs_dir) for name in names}
    if len(folders) == 1:
        _serve(next(iter(folders.values())), host, port)
        return
    with tempfile.TemporaryDirectory(prefix="bnexp-tb-") as shown:
        for folder in folders.values():
            (Path(shown) / folder.name).symlink_to(folder.resolve(), target_is_directory=True)
        _serve(Path(shown), host, port)


def _find(name: str, runs_dir: Path) -> Path:
    record = read_experiments([name], runs_dir)[0]
    return record.path.parent.parent


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

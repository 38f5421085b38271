"""Serves runs and their comparison with TensorBoard, at an address that opens on the answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from bnexp.errors import BnexpError, UsageError
from bnexp.runs.run_dir import COMPARISON
from bnexp.runs.tensorboard_events import RUN_COLOURS

PINNED_TAGS = ("test/accuracy", "train/accuracy", "test/loss", "train/loss")
LINE_COLOURS = r"(.+)/(?:(mean)|low|high)$"
"""For means and bands: one colour per cell's mean, and one for both ends of its band."""
_PORTS_TRIED = 20
_SECONDS_BETWEEN_SYNCS = 5.0
_SECONDS_TO_START = 60.0
_LINES_OF_LOG = 15

Links = Mapping[PurePosixPath, Path]
"""Names of TensorBoard's runs, or of folders of runs, and the folders they stand for."""


@dataclass(frozen=True)
class Shown:
    """What TensorBoard shows: a function of what the runs folder holds, asked again and again."""

    find_links: Callable[[], Links]
    colours: str = RUN_COLOURS
    """The regular expression whose groups give a run its colour."""


def link_runs(folders: Mapping[str, Path]) -> Links:
    """Returns the cells or runs in folders of experiments, cells or runs, and the comparisons.

    `folders` maps what comes before the names, which may be empty, to a folder.
    """
    links: dict[PurePosixPath, Path] = {}
    for prefix, folder in folders.items():
        if folder.name.startswith("seed="):
            links[PurePosixPath(prefix, folder.parent.name, folder.name)] = folder
            continue
        children = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        if any(child.name.startswith("seed=") for child in children):
            links[PurePosixPath(prefix, folder.name)] = folder
            continue
        for child in children:
            if not child.name.startswith((".", "_")):
                links[PurePosixPath(prefix, child.name)] = child
        comparison = folder / COMPARISON / "comparison"
        if comparison.is_dir():
            links[PurePosixPath(prefix, "comparison")] = comparison
    return links


def serve(
    shown: Shown, host: str, port: int, say: Callable[[str], None], is_opened: bool = False
) -> int:
    """Runs TensorBoard until it ends or is stopped, and returns the exit code.

    The last thing said is the address to open.

    Raises:
        UsageError: No port is free.
        BnexpError: TensorBoard did not start.
    """
    free = find_port(host, port)
    if port not in (0, free):
        say(f"port {port} is in use; using {free}")
    with tempfile.TemporaryDirectory(prefix="bnexp-tb-") as temporary:
        folder, log = Path(temporary, "runs"), Path(temporary, "tensorboard.log")
        folder.mkdir()
        _sync(folder, shown)
        with _start(folder, host, free, log) as server:
            _wait_until_up(server, host, free, log)
            address = build_address(host, free, shown.colours)
            if is_opened:
                import webbrowser

                webbrowser.open(address)
            say("TensorBoard runs until Ctrl-C. Open")
            say(address)
            while server.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.wait(_SECONDS_BETWEEN_SYNCS)
                with contextlib.suppress(OSError):  # what is gone in between is not shown
                    _sync(folder, shown)
    return 0 if server.returncode in (0, -signal.SIGTERM, -signal.SIGINT) else 1


def build_address(host: str, port: int, colours: str) -> str:
    """Returns the address of the time series: cards pinned, nothing smoothed, a colour per cell."""
    cards = [{"plugin": "scalars", "tag": tag} for tag in PINNED_TAGS]
    query = {
        "pinnedCards": json.dumps(cards, separators=(",", ":")),
        "smoothing": "0",
        "runColorGroup": f"regex:{colours}",
    }
    words = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    return f"{_build_base(host, port)}?{words}#timeseries"


def _build_base(host: str, port: int) -> str:
    name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"


def find_port(host: str, port: int) -> int:
    """Returns the port, or the next one that is free; any free one for 0."""
    tried = [0] if port == 0 else range(port, min(port + _PORTS_TRIED, 65536))
    for number in tried:
        try:
            family, *_, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
            with socket.create_server(address, family=family) as probe:
                return int(probe.getsockname()[1])
        except socket.gaierror as error:
            raise UsageError(f"there is no host '{host}' ({error.strerror})") from error
        except OSError as error:
            last = error.strerror
    raise UsageError(
        f"no port from {port} to {tried[-1]} can be used on {host} ({last}); choose another --port"
    )


@contextlib.contextmanager
def _start(folder: Path, host: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    # -P: a file of the user's, e.g. cmd.py, must not replace a module of that name.
    command = [sys.executable, "-P", "-m", "tensorboard.main", "--logdir", str(folder)]
    command += ["--host", host, "--port", str(port), "--reload_multifile", "true"]
    with log.open("wb") as said:
        server = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    # Ctrl-C reaches both processes; a SIGTERM to this one must stop the server too.
    before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        yield server
    except KeyboardInterrupt:
        server.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
        server.terminate()
        server.wait()


def _wait_until_up(server: subprocess.Popen[bytes], host: str, port: int, log: Path) -> None:
    address = _build_base(host, port)
    end = time.monotonic() + _SECONDS_TO_START
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}data/environment", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    lines = log.read_text("utf-8", errors="replace").splitlines()[-_LINES_OF_LOG:]
    raise BnexpError("TensorBoard did not start:\n" + "\n".join(lines))


def _sync(folder: Path, shown: Shown) -> None:
    """Links what the runs folder holds by now and the folder does not yet."""
    for name, target in shown.find_links().items():
        path = folder / name
        if not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target.resolve(), target_is_directory=True)


def name_apart(folders: Sequence[Path]) -> list[str]:
    """Returns a different name for each folder, made of as few of its last parts as possible.

    One folder alone needs none: its name is empty.
    """
    if len(folders) == 1:
        return [""]
    for depth in range(1, max(len(folder.parts) for folder in folders)):
        names = ["_".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [f"{number}_{folder.name}" for number, folder in enumerate(folders, start=1)]

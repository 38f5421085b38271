"""Serves runs and their comparison with TensorBoard, at an address that opens on the answer."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from bnexp.errors import BnexpError, UsageError
from bnexp.runs import RunDir, read_run
from bnexp.runs.reading import find_runs
from bnexp.runs.run_dir import COMPARISON
from bnexp.runs.streams.tensorboard_events import EVENTS, RUN_COLOURS
from bnexp.system import link_file, link_folder

PINNED_TAGS = ("test/accuracy", "train/accuracy", "test/loss", "train/loss")
LINE_COLOURS = r"(.+)/(?:(mean)|low|high)$"
"""For means and bands: one colour per cell's mean, and one for both ends of its band."""
_PORTS_TRIED = 20
_SECONDS_BETWEEN_SYNCS = 5.0
_SECONDS_TO_START = 60.0
_LINES_OF_LOG = 15
_HPARAMS = f"{EVENTS}0.hparams"
"""A name before those of a run's own event files: of two records of one kind the first counts."""

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
    address = build_address(host, free, shown.colours)
    is_outdated = True
    while is_outdated:
        is_outdated = False  # and so it stays if Ctrl-C ends what follows
        with tempfile.TemporaryDirectory(prefix="bnexp-tb-") as temporary:
            mirror, log = Mirror(Path(temporary, "runs"), shown.find_links), Path(temporary, "log")
            with _start(mirror.folder, host, free, log) as server:
                _wait_until_up(server, host, free, log)
                if address:
                    _announce(address, say, is_opened)
                    address = ""
                is_outdated = _follow(mirror, server)
    return 0 if server.returncode in (0, -signal.SIGTERM, -signal.SIGINT) else 1


def _announce(address: str, say: Callable[[str], None], is_opened: bool) -> None:
    if is_opened:
        import webbrowser

        webbrowser.open(address)
    say("TensorBoard runs until Ctrl-C. Open")
    say(address)


def _follow(mirror: Mirror, server: subprocess.Popen[bytes]) -> bool:
    """Shows what is new until TensorBoard ends; returns True early if it must start again.

    It reads what HParams shows only once, at its start.
    """
    while server.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_SECONDS_BETWEEN_SYNCS)
        with contextlib.suppress(OSError, BnexpError):  # what is gone in between is not shown
            mirror.sync()
            if mirror.is_outdated():
                return True
    return False


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
    # Ctrl-C reaches both processes; a signal to this one alone must stop the server too.
    before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        yield server
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
        server.terminate()
        server.wait()


def _wait_until_up(server: subprocess.Popen[bytes], host: str, port: int, log: Path) -> None:
    from urllib.request import urlopen  # slow: SSL

    address = _build_base(host, port)
    end = time.monotonic() + _SECONDS_TO_START
    while server.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"{address}data/environment", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    lines = log.read_text("utf-8", errors="replace").splitlines()[-_LINES_OF_LOG:]
    raise BnexpError("TensorBoard did not start:\n" + "\n".join(lines))


class Mirror:
    """A folder of TensorBoard's runs: links to what is shown, and what HParams shows of it.

    The runs found at first have a folder each, with a link to each event file. A later one is
    a link to the run.
    """

    def __init__(self, folder: Path, find_links: Callable[[], Links]) -> None:
        from bnexp.reports.tensorboard.hparams import encode_hparams

        self.folder = folder
        self._find_links = find_links
        folder.mkdir(parents=True)
        runs, _ = self._find()
        records = [read_run(path) for path in dict.fromkeys(runs.values())]
        self._shown = self._seen = _find_ended(runs)
        hparams = encode_hparams(records, time.time())
        for name, path in runs.items():
            (folder / name).mkdir(parents=True)
            if path in hparams:
                (folder / name / _HPARAMS).write_bytes(hparams[path])
        self.sync()

    def sync(self) -> None:
        """Links what the runs folder holds by now and this one does not yet.

        Raises:
            OSError: A file is gone in between, or cannot be linked.
            UsageError: A folder cannot be read.
        """
        runs, others = self._find()
        for name, target in {**runs, **others}.items():
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():
                _link_events(path, target)
            elif not path.is_symlink():
                path.parent.mkdir(parents=True, exist_ok=True)
                if not link_folder(path, target.resolve()):
                    path.mkdir()
                    _link_events(path, target)

    def is_outdated(self) -> bool:
        """Whether runs have ended or are gone since HParams was made, and none is running.

        What was found the last time must still hold: between two runs of a sweep none is running.

        Raises:
            UsageError: A folder cannot be read.
        """
        runs, _ = self._find()
        before, self._seen = self._seen, _find_ended(runs)
        if self._seen == self._shown or self._seen != before:
            return False
        left = (path for path, has_ended in self._seen.items() if not has_ended)
        return not any(read_run(path, with_config=False).is_running for path in left)

    def _find(self) -> tuple[Links, Links]:
        """Returns the runs, and the links that stand for something else."""
        runs: dict[PurePosixPath, Path] = {}
        others: dict[PurePosixPath, Path] = {}
        for name, folder in self._find_links().items():
            found = [*find_runs(folder)]
            runs |= {name if path == folder else name / path.name: path for path in found}
            if not found:
                others[name] = folder
        return runs, others


def _find_ended(runs: Links) -> dict[Path, bool]:
    """Returns for each run whether it has ended."""
    return {path: RunDir(path).summary.exists() for path in runs.values()}


def _link_events(folder: Path, run: Path) -> None:
    """Links the event files of a run, and removes the links to those that are gone.

    If only copies can be made, those that have fallen behind are made again.
    """
    # TensorBoard would wait for a FIFO.
    found = (path for path in run.glob(f"{EVENTS}*") if path.is_file())
    targets = {path.name: path.resolve() for path in found}
    links = {path.name for path in folder.iterdir()} - {_HPARAMS}
    behind = {
        name
        for name in targets.keys() & links
        if (folder / name).stat().st_size != targets[name].stat().st_size
    }
    for name in targets.keys() - links | behind:
        (folder / name).unlink(missing_ok=True)
        link_file(folder / name, targets[name])
    for name in links - targets.keys():
        (folder / name).unlink()


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

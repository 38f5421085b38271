"""Sees every file operation that a `bnexp` command does in a folder, and may disturb one of them.

In the command's process, `intercept` replaces Python's functions that open, write, sync, rename,
delete and make files, down to the raw writes below a buffer. What does not go through Python is
not seen: a C library that opens a file by itself, a memory map, another process. An audit hook
notices operations that Python does past the replaced functions, and `Trace.replay` gives the
folder as the operations leave it, which must be the real one.
"""

import base64
import builtins
import errno
import fcntl
import io
import json
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHANGES = ("create", "write", "rename", "unlink", "mkdir", "truncate")
"""Operations after which a folder is another one; `open`, `read` and `fsync` change nothing."""

_AUDITED = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link",
            "os.symlink", "os.chmod", "os.utime")  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
SHORT_CONFIG = """\
name: short
data: {name: shapes, train_size: 40, val_size: 20, test_size: 20, batch_size: 20}
model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 4}]}
optim: {name: sgd, learning_rate: 0.05, momentum: 0.9}
train: {epochs: 2, device: cpu, threads: 1, log_every: 1, checkpoint_every: 2}
"""
SCENES = {"new": (), "continued": (), "forced": ("--force",)}
"""What the run's folder holds at first, and the options of the command that is watched there."""


@dataclass(frozen=True)
class Operation:
    """One that worked: its number from 0, its kind, the path in the folder, and who asked for it.

    Those that did not work, such as a look for a file that is not there, have numbers too.
    """

    number: int
    kind: str
    path: str
    site: str
    to: str = ""
    offset: int = 0
    data: bytes = b""

    @property
    def changes(self):
        return self.kind in CHANGES

    @property
    def place(self):
        """What operations of a kind at one call site with one file have in common."""
        name = re.sub(r"[0-9a-f]{16}\.tmp$", "tmp", Path(self.path).name)
        name = re.sub(r"^events.*", "events", name)
        return self.kind, name, Path(self.to).name, self.site


MAKE_SHORT = f"""\
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import file_operations as f
f.make_short()
"""
"""Code that a fork runs first, so that little is left to do but file operations."""


class Scenes:
    """A short run in a folder of its own, begun in each of the `SCENES`, as often as asked for."""

    def __init__(self, forks, folder):
        self.forks = forks
        self.folder = folder
        self.runs = folder / "runs"
        (folder / "c.yaml").write_text(SHORT_CONFIG)
        self.log = folder / "operations.txt"

    @cache  # noqa: B019 - as long as the module that uses it
    def trace(self, scene):
        """Returns the operations of the undisturbed command, which must be all there are."""
        self.set(scene)
        found = Disk(read_files(self.runs))
        done = self.run(scene)
        assert done.code == 0, done.said
        operations = read_trace(self.log)
        for operation in operations:
            found.do(operation)
        assert found.files() == read_files(self.runs)
        # What sees little sees nothing: these are what such a run cannot do without.
        assert len(operations) > (60 if scene == "continued" else 100)
        kinds = {operation.kind for operation in operations}
        assert kinds >= {"create", "write", "fsync", "rename", "read", "unlink"}
        assert scene != "new" or "mkdir" in kinds
        return operations

    @cache  # noqa: B019
    def template(self, scene):
        """Returns the runs folder with which a scene begins, or None if it has none."""
        if scene == "new":
            return None
        template = self.folder / scene
        if scene == "forced":
            self.trace("new")
        else:
            saves = [
                one.number
                for one in self.trace("new")
                if one.kind == "write" and ".checkpoint.pt." in one.path
            ]
            self.set("new")
            killed = self.run("new", saves[-1], "half")
            assert killed.code == -signal.SIGKILL
        shutil.copytree(self.runs, template)
        return template

    def set(self, scene):
        """Puts the runs folder into the state in which a scene begins."""
        template = self.template(scene)
        shutil.rmtree(self.runs, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        if template:
            shutil.copytree(template, self.runs)

    def put(self, files):
        """Puts files, and nothing else, into the runs folder."""
        shutil.rmtree(self.runs, ignore_errors=True)
        for path, content in files.items():
            (self.runs / path).parent.mkdir(parents=True, exist_ok=True)
            (self.runs / path).write_bytes(content)

    def start(self, scene, at=None, action=""):
        """Starts the scene's command, disturbed at one operation."""
        arguments = (str(self.runs), str(self.log), at, action)
        before = f"{MAKE_SHORT}f.intercept(*{arguments!r})"
        words = ("train", "c.yaml", *SCENES[scene])
        return self.forks.start(*words, cwd=self.folder, before=before)

    def run(self, scene, at=None, action=""):
        """Runs the scene's command, disturbed at one operation, to its end."""
        done = self.start(scene, at, action)
        done.wait()
        return done

    def find_hit(self):
        """Returns the operation that was disturbed, which the clock may have made another one."""
        entries = map(json.loads, self.log.read_text().splitlines())
        (hit,) = [Operation(**entry["hit"]) for entry in entries if "hit" in entry]
        return hit

    def run_again(self):
        """Runs the command that is to continue, whatever has happened, to its end."""
        return self.forks.run("train", "c.yaml", cwd=self.folder, before=MAKE_SHORT)


def read_files(folder):
    """Returns the content of each file below a folder, by its path there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class Disk:
    """A folder's files as operations change them, and as a crash of the machine may leave them.

    What was not synced may be lost: the content of a file since its last `fsync`, and names since
    the last `fsync` of their folder, the later before the earlier, as journals of file systems
    (ext4, XFS, Btrfs) keep their order.
    """

    def __init__(self, files):
        names = {path: path for path in files}
        self.content = {path: bytearray(content) for path, content in files.items()}
        self.synced = dict(files)
        """The content of each file that is safe."""
        self.namings = [names]
        """Which file has which name: as it is safe, and after each change since."""

    @property
    def names(self):
        return self.namings[-1]

    def do(self, operation):
        path, to, number = operation.path, operation.to, operation.number
        match operation.kind:
            case "create":
                self.content[number], self.synced[number] = bytearray(), b""
                self.namings.append({**self.names, path: number})
            case "write":
                content = self.content[self.names[path]]
                content[operation.offset : operation.offset + len(operation.data)] = operation.data
            case "truncate":
                del self.content[self.names[path]][operation.offset :]
            case "rename":
                others = {name: file for name, file in self.names.items() if name != path}
                self.namings.append({**others, to: self.names[path]})
            case "unlink":
                self.namings.append({name: f for name, f in self.names.items() if name != path})
            case "fsync" if path in self.names:
                file = self.names[path]
                self.synced[file] = bytes(self.content[file])
            case "fsync":
                self.namings = self.namings[-1:]

    def files(self):
        """Returns the content of each file as every process sees it."""
        return {path: bytes(self.content[file]) for path, file in self.names.items()}

    def crashes(self):
        """Yields what may be left if the machine stops now."""
        for names in self.namings:
            yield {path: self.synced[file] for path, file in names.items()}
        for spoil in (lambda rest: rest[: len(rest) // 2], lambda rest: bytes(len(rest))):
            yield {
                path: self.synced[file] + spoil(self.content[file][len(self.synced[file]) :])
                for path, file in self.names.items()
            }


def read_trace(log):
    """Returns the operations that a process logged; fails if it saw one that was not counted."""
    operations = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        assert "unseen" not in entry, entry
        if "hit" in entry:
            continue
        entry["data"] = base64.b64decode(entry["data"])
        operations.append(Operation(**entry))
    return operations


def make_short():
    """Leaves little to do but file operations: few images, and a heartbeat at each step."""
    from bnexp.data.dataset import Dataset, DatasetFacts, LabelledImages
    from bnexp.data.shapes import config, drawing
    from bnexp.launch.engines import launcher
    from bnexp.launch.run import recorder

    whole = drawing.draw_shapes(10_000, 2_000)
    train, test = (
        LabelledImages(part.images[:count], part.labels[:count])
        for part, count in ((whole.train, 200), (whole.test, 20))
    )
    few = Dataset("shapes", train, test, whole.class_names)
    config._FACTS = DatasetFacts((32, 32, 3), 10, train_count=200, test_count=20)
    drawing.draw_shapes = lambda *_: few
    recorder.SECONDS_BETWEEN_BEATS = 0.0
    launcher.measure_pace = lambda run: None  # its steps touch no file


def intercept(folder, log, at=None, action=""):
    """Logs this process's operations in the folder; at one of them, does what `action` says.

    `kill` and `stop` send that signal before the operation, `half` kills after the first half of
    a write, and the name of an error, e.g. `ENOSPC`, makes the operation fail once.
    """
    _Tap(Path(folder).absolute(), log, at, action).install()


class _Tap:
    def __init__(self, folder, log, at, action):
        self.folder = folder
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.at = at
        self.action = action
        self.number = 0
        self.paths = {}
        """The file of each descriptor that is open in the folder."""
        self.is_inside = False
        self.real = {
            name: getattr(os, name)
            for name in ("open", "close", "write", "fsync", "ftruncate", "truncate", "replace",
                         "rename", "unlink", "remove", "mkdir", "rmdir", "link", "symlink", "kill",
                         "lseek", "fstat")
        }  # fmt: skip

    def install(self):
        real_open = io.open

        def open_file(file, mode="r", *arguments, **options):
            is_ours = file in self.paths if isinstance(file, int) else self.find(file) is not None
            opened = _open_tapped if is_ours else real_open
            more = {"tap": self} if is_ours else {}
            return opened(file, mode, *arguments, **options, **more)

        io.open = builtins.open = open_file
        for name in ("open", "close", "write", "fsync", "ftruncate", "replace", "mkdir"):
            setattr(os, name, getattr(self, name))
        os.rename = self.replace
        os.unlink = os.remove = self.unlink
        for name in ("truncate", "link", "symlink", "rmdir"):
            setattr(os, name, self.refuse(name))
        sys.addaudithook(self.audit)

    def find(self, path):
        """Returns a path relative to the folder, or None if it is elsewhere."""
        try:
            absolute = Path(os.fsdecode(path)).absolute()
        except TypeError:
            return None
        is_inside = absolute.is_relative_to(self.folder)
        return str(absolute.relative_to(self.folder)) if is_inside else None

    def do(self, kind, path, real, *arguments, to="", data=b"", offset=0):
        """Counts and logs an operation, does it, and disturbs it if it is its turn."""
        number, self.number = self.number, self.number + 1
        is_turn = number == self.at
        if is_turn:
            hit = {"number": number, "kind": kind, "path": path, "site": _find_site()}
            self.real["write"](self.log, (json.dumps({"hit": hit}) + "\n").encode())
        if is_turn and self.action == "half" and kind == "write":
            real(arguments[0], data[: len(data) // 2])
        if is_turn and self.action in ("kill", "half", "stop"):
            self.real["kill"](
                os.getpid(), signal.SIGSTOP if self.action == "stop" else signal.SIGKILL
            )
        elif is_turn:
            code = getattr(errno, self.action)
            names = {"write": (), "fsync": ()}.get(kind, (str(arguments[0]),))
            raise OSError(code, os.strerror(code), *names)
        result = self.call(real, *arguments)
        if kind == "write":
            data = data[:result]
        entry = {
            "number": number,
            "kind": kind,
            "path": path,
            "site": _find_site(),
            "to": to,
            "offset": offset,
            "data": base64.b64encode(data).decode(),
        }
        self.real["write"](self.log, (json.dumps(entry) + "\n").encode())
        return result

    def call(self, real, *arguments, **options):
        self.is_inside, before = True, self.is_inside
        try:
            return real(*arguments, **options)
        finally:
            self.is_inside = before

    def audit(self, event, arguments):
        if self.is_inside or event not in _AUDITED:
            return
        if any(isinstance(one, str | bytes | os.PathLike) and self.find(one) for one in arguments):
            entry = {"unseen": event, "arguments": repr(arguments)}
            self.real["write"](self.log, (json.dumps(entry) + "\n").encode())

    def open(self, path, flags, mode=0o777, *, dir_fd=None):
        found = None if dir_fd is not None or isinstance(path, int) else self.find(path)
        if found is None:
            return self.real["open"](path, flags, mode, dir_fd=dir_fd)
        kind = "read"
        if flags & _WRITING:
            is_changed = not os.path.lexists(path) or flags & os.O_TRUNC
            kind = "create" if flags & os.O_CREAT and is_changed else "open"
        handle = self.do(kind, found, self.real["open"], path, flags, mode)
        self.paths[handle] = found
        return handle

    def close(self, handle):
        self.paths.pop(handle, None)
        return self.real["close"](handle)

    def write(self, handle, data, real=None):
        real = real or self.real["write"]
        if handle not in self.paths:
            return real(handle, data)
        status = self.real["fstat"](handle)
        is_appending = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_APPEND
        offset = status.st_size if is_appending else self.real["lseek"](handle, 0, os.SEEK_CUR)
        return self.do("write", self.paths[handle], real, handle, data,
                       data=bytes(data), offset=offset)  # fmt: skip

    def fsync(self, handle):
        if not isinstance(handle, int) or handle not in self.paths:
            return self.real["fsync"](handle)
        return self.do("fsync", self.paths[handle], self.real["fsync"], handle)

    def ftruncate(self, handle, length):
        if handle not in self.paths:
            return self.real["ftruncate"](handle, length)
        path = self.paths[handle]
        return self.do("truncate", path, self.real["ftruncate"], handle, length,
                       offset=length)  # fmt: skip

    def replace(self, source, target, **options):
        found, to = self.find(source), self.find(target)
        if options or found is None or to is None:
            assert found is None or to is None, (source, target)
            return self.call(self.real["replace"], source, target, **options)
        return self.do("rename", found, self.real["replace"], source, target, to=to)

    def unlink(self, path, **options):
        found = self.find(path)
        if options or found is None:
            return self.real["unlink"](path, **options)
        return self.do("unlink", found, self.real["unlink"], path)

    def mkdir(self, path, mode=0o777, **options):
        found = self.find(path)
        if options or found is None:
            return self.real["mkdir"](path, mode, **options)
        return self.do("mkdir", found, self.real["mkdir"], path, mode)

    def refuse(self, name):
        """Returns a function that must not be called in the folder: nothing here counts it."""

        def do(path, *arguments, **options):
            assert self.find(path) is None, (name, path)
            return self.real[name](path, *arguments, **options)

        return do


class _TappedFile(io.FileIO):
    def __init__(self, tap, *arguments, **options):
        self.tap = tap
        super().__init__(*arguments, **options)

    def write(self, data):
        return self.tap.write(
            self.fileno(), data, lambda _, piece: super(_TappedFile, self).write(piece)
        )

    def close(self):
        if not self.closed:
            self.tap.paths.pop(self.fileno(), None)
        super().close()


def _open_tapped(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None,
                 closefd=True, opener=None, *, tap):  # fmt: skip
    """Opens a file as `open` does, but for writes that the tap sees below the buffer."""
    raw_mode = mode.replace("b", "").replace("t", "")
    raw = tap.call(_TappedFile, tap, file, raw_mode, closefd, opener or os.open)
    if buffering == 0:
        return raw
    is_reading = raw_mode == "r"
    kind = (
        io.BufferedRandom if "+" in mode else io.BufferedReader if is_reading else io.BufferedWriter
    )
    return kind(raw) if "b" in mode else io.TextIOWrapper(kind(raw), encoding, errors, newline)


def _find_site():
    """Returns the function in bnexp, but for its general helpers, that asks for an operation."""
    frame = sys._getframe(2)
    while frame:
        name = frame.f_code.co_filename
        if f"{os.sep}bnexp{os.sep}" in name and Path(name).name != "files.py":
            return f"{Path(name).stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return ""

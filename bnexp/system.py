"""What only some operating systems have; the one module that knows which of it is missing."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

if TYPE_CHECKING:
    import ctypes

T = TypeVar("T")
R = TypeVar("R")

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that ask a process to end: Ctrl-C, `kill`, and a closed terminal if there is one."""

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Ends a process at once; Windows does that with SIGTERM."""


def is_hangup(number: int) -> bool:
    """Returns whether a signal says that the terminal is gone."""
    return number == getattr(signal, "SIGHUP", None)


def is_kill(number: int) -> bool:
    """Returns whether a signal is the one that no process can catch."""
    return number == getattr(signal, "SIGKILL", None)


def kill(process: int) -> None:
    """Ends a process at once, if it is still there."""
    with contextlib.suppress(OSError):
        os.kill(process, _KILL)


def ignore_terminal() -> None:
    """Makes Ctrl-C and the end of the terminal leave this process alone."""
    for number in STOP_SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def no_terminal_signals() -> Iterator[None]:
    """Starts processes that SIGINT and SIGHUP do not reach even before they can say so.

    A system that cannot block signals starts them unprotected.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Started by hand first: starting it lets SIGINT through again.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def read_proc(name: str) -> list[str]:
    """Returns the lines of a file in `/proc`, none if the system has no such file."""
    try:
        return Path("/proc", name).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def count_usable_cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_on_cores(
    function: Callable[[T], R],
    items: Sequence[T],
    meanwhile: Callable[[], object] = lambda: None,
) -> list[R]:
    """Returns what a function returns for each item, computed by this process and forks of it.

    There is a process per usable core, up to 16; each takes the next items when it is done with
    its last, this one after it has called `meanwhile`. This process does the work of a fork that
    dies, and all of it on a system that cannot fork. What forks return is pickled.
    """
    number = min(count_usable_cores(), _MOST_PROCESSES) if can_fork() else 1
    size = -(-len(items) // (number * _PARTS)) or 1
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    taking, giving = os.pipe()
    os.write(giving, b"".join(place.to_bytes(_DIGITS) for place in range(len(parts))))
    os.close(giving)
    forks = [_fork(function, parts, taking) for _ in range(number - 1)]
    meanwhile()
    found = _take_parts(function, parts, taking)
    os.close(taking)
    for process, pipe in forks:
        with pipe, contextlib.suppress(EOFError, pickle.UnpicklingError):
            found |= pickle.load(pipe)
        os.waitpid(process, 0)
    for place, part in enumerate(parts):
        if place not in found:
            found[place] = [*map(function, part)]
    return [result for place in range(len(parts)) for result in found[place]]


_PARTS = 32
"""Parts of the work per process: as many as keep all busy to the end."""
_MOST_PROCESSES = 16
"""More hardly gain, and the numbers of their parts must fit a pipe that nobody reads yet."""
_DIGITS = 4
"""Bytes of a part's number in the pipe from which the processes take the next."""


def _take_parts(
    function: Callable[[T], R], parts: Sequence[Sequence[T]], taking: int
) -> dict[int, list[R]]:
    """Returns the results of the parts that this process was the first to take, by their number."""
    found = {}
    while taken := os.read(taking, _DIGITS):
        place = int.from_bytes(taken)
        found[place] = [*map(function, parts[place])]
    return found


def _fork(
    function: Callable[[T], R], parts: Sequence[Sequence[T]], taking: int
) -> tuple[int, BinaryIO]:
    """Starts a process that writes what it found to a pipe, and returns its id and the pipe."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(_take_parts(function, parts, taking), pipe, pickle.HIGHEST_PROTOCOL)

    process = fork(write)
    os.close(writing)
    return process, os.fdopen(reading, "rb")


def can_fork() -> bool:
    """Returns whether a process can start as a copy of this one, safely."""
    return sys.platform == "linux" and hasattr(os, "fork")


def fork(run: Callable[[], None]) -> int:
    """Starts a copy of this process that calls a function and ends; returns its id.

    It ends with 0, or with 1 after an error, and does nothing that this process does at its end.
    """
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        run()
        status = 0
    finally:
        os._exit(status)


def reap(process: int, seconds: float) -> int:
    """Waits for a fork of this process, and kills it after `seconds`.

    Returns its exit code, which is negative if a signal ended it.
    """
    deadline = time.monotonic() + seconds
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() >= deadline:
            kill(process)
            ended = os.waitpid(process, 0)
            break
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(ended[1])


def read_cpu_limit() -> float | None:
    """Returns how many cores' worth of time this process's container allows; None if all."""
    for name in ("cpu.max", "cpu/cpu.cfs_quota_us"):
        quota, *period = _read_cgroup(name)
        period = period or _read_cgroup("cpu/cpu.cfs_period_us")
        if quota.isdecimal() and period[0].isdecimal():
            return int(quota) / int(period[0])
    return None


def read_memory_limit() -> int | None:
    """Returns how many bytes this process's container allows; None if it has no limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _read_cgroup(name)[0]
        # Version 1 says "no limit" with a number larger than any memory.
        if limit.isdecimal() and int(limit) < 2**60:
            return int(limit)
    return None


def read_available_memory() -> int | None:
    """Returns how many bytes programs can still have; None if the system does not say."""
    for line in read_proc("meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _read_cgroup(name: str) -> list[str]:
    """Returns the words of a control group's file as a container sees it; an empty word if none."""
    try:
        return Path("/sys/fs/cgroup", name).read_text("utf-8").split() or [""]
    except OSError:
        return [""]


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that this process cannot have the memory it needs.

    Imports say so in words, those of the loader of shared libraries or of the system, and so does
    PyTorch, whose error has a type of its own on some devices only. oneDNN, which computes for
    PyTorch on CPUs, says only that it could not make a kernel; what it does not support is refused
    earlier, as a primitive descriptor.
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    is_of_loader = isinstance(error, ImportError | OSError)
    words = (
        "failed to map segment",
        "out of memory",
        "alloc_failed",
        "cannot allocate memory",
        "can't allocate memory",
        "cannot create shared object",
        "can't start new thread",
        "paging file is too small",
    )
    said = str(error).lower()
    is_said = any(word in said for word in words) or said == "could not create a primitive"
    return (is_of_loader or isinstance(error, RuntimeError)) and is_said


def link_folder(path: Path, target: Path) -> bool:
    """Makes a symbolic link to a folder; returns False if this user may not make one.

    Windows lets only some users.
    """
    try:
        path.symlink_to(target, target_is_directory=True)
    except (OSError, NotImplementedError):
        return path.is_symlink()
    return True


def link_file(path: Path, target: Path) -> None:
    """Makes a file appear under another path: as a symbolic link, else a hard link, else a copy.

    A copy, if the system refuses both, has the content as of now.

    Raises:
        OSError: `path` exists, or `target` is gone.
    """
    try:
        path.symlink_to(target)
    except (OSError, NotImplementedError):
        try:
            path.hardlink_to(target)
        except (OSError, NotImplementedError):
            shutil.copyfile(target, path)


def reset_peak_memory() -> None:
    """Starts a new count of this process's peak memory, if the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "utf-8")


def read_peak_memory() -> int:
    """Returns this process's peak memory in bytes, 0 if the system does not say."""
    for line in read_proc("self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


_MOST_KEPT = 2**31 - 1
_LARGEST_PIECE = 32 * 2**20
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Makes this process keep the memory that it frees, and use it again, if its C library can.

    By default glibc gives large pieces back, and the system then fills every page with zeros
    before it is used again: of a training step on the CPU that took a fifth of the time.
    Only pieces above 32 MiB, the most that glibc allows, still come and go.
    """
    if library := _load_glibc():
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_PIECE)
        library.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)


def give_freed_memory_back() -> None:
    """Gives the system what `keep_freed_memory` has kept."""
    if library := _load_glibc():
        library.malloc_trim(0)


def _load_glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    import ctypes

    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None

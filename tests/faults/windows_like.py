"""A sitecustomize.py that takes from a process what Windows lacks, as far as Python can tell.

Locks are files there: a lock of Windows cannot be had elsewhere.
"""

TAKE_AWAY = """\
import builtins, io, os, signal, sys

for name in ("resource", "fcntl"):
    sys.modules[name] = None
for module, names in {
    signal: ("SIGHUP", "SIGKILL", "pthread_sigmask"),
    os: ("fork", "setsid", "killpg", "sched_getaffinity", "getuid", "O_NONBLOCK", "O_NOFOLLOW"),
}.items():
    for name in names:
        delattr(module, name)

import filelock


class FileLock(filelock.SoftFileLock):
    def __init__(self, path, fallback_to_soft, **others):
        super().__init__(path, **others)


def refuse_link(*_, **__):
    raise OSError(1314, "A required privilege is not held by the client")


def open_as_there(file, mode="r", buffering=-1, encoding=None, *others, **more):
    if str(file).startswith("/proc"):
        raise FileNotFoundError(2, "No such file or directory", str(file))
    if "b" not in mode and encoding in (None, "locale"):
        encoding = "cp1252"
    return plain_open(file, mode, buffering, encoding, *others, **more)


filelock.FileLock = FileLock
os.symlink = refuse_link
plain_open = io.open
builtins.open = io.open = open_as_there
"""

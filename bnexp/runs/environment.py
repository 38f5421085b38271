"""What a run ran on: code, versions, machine and command line, for `environment.json`."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import subprocess
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bnexp.system import read_proc
from bnexp.version import __version__

PACKAGES = ("torch", "torchvision", "numpy", "tensorboard", "pydantic", "scipy")


def describe_environment() -> dict[str, Any]:
    """Returns versions, platform, code and command line; the caller adds device and data."""
    return {
        "created": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "command": sys.argv,
        "versions": {
            "bnexp": __version__,
            "python": platform.python_version(),
            **{name: find_version(name) for name in PACKAGES},
        },
        "platform": platform.platform(),
        "processor": describe_processor(),
        "cpu_count": os.cpu_count(),
        "git": describe_own_code(),
    }


@functools.cache
def describe_own_code() -> dict[str, Any]:
    """Returns commit and changes as they were at the first call: as loaded, not as edited since."""
    return _describe_code(Path(__file__).parent.parent)


@functools.cache
def find_version(package: str) -> str | None:
    """Returns the version of an installed package, None if it is not installed."""
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return None


def describe_processor() -> str:
    """Returns the name of the CPU."""
    for line in read_proc("cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _describe_code(package: Path) -> dict[str, Any]:
    """Returns commit, dirty flag and a digest of what is uncommitted in a git checkout.

    All are None if the package itself is not in one; without a change the digest is None too.
    """
    is_tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py") is not None
    commit = _git(package, "rev-parse", "HEAD") if is_tracked else None
    status = _git(package, "status", "--porcelain", "--", ".") if commit else None
    return {
        "commit": commit,
        "dirty": None if status is None else bool(status),
        "changes": _digest_changes(package) if status else None,
    }


def _digest_changes(package: Path) -> str | None:
    """Returns a SHA-256 of the package's changed and new files: equal code, equal digest."""
    changed = _git(package, "diff", "HEAD", "--name-only", "--no-renames", "--relative", "-z", ".")
    new = _git(package, "ls-files", "--others", "--exclude-standard", "-z", ".")
    if changed is None or new is None:
        return None
    digest = hashlib.sha256()
    for name in sorted({*changed.split("\0"), *new.split("\0")} - {""}):
        try:
            content = (package / name).read_bytes()
        except OSError:
            content = b"removed"
        digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

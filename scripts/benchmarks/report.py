"""What a benchmark leaves: tables in Markdown, the machine they come from, and JSON."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measuring import THREADS
from bnexp.runs.environment import describe_own_code, describe_processor
from bnexp.system import read_proc
from bnexp.wording import count

PACKAGES = ("torch", "torchvision", "lightning", "tensorboard", "numpy", "bnexp")


class BenchmarkError(Exception):
    """A benchmark whose figures would mean nothing; the message says why."""


@dataclass(frozen=True)
class Table:
    """A table with what must be said about it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [
            "| " + " | ".join(map(str.ljust, row, widths)) + " |"
            for row in (self.header, *self.rows)
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(([self.title, ""] if self.title else []) + lines)


@dataclass(frozen=True)
class Report:
    """What one benchmark found."""

    figures: dict[str, Any]
    """For `--json`."""
    tables: Sequence[Table]
    notes: Sequence[str] = ()
    problems: Sequence[str] = ()
    """Why the figures cannot be believed; none if they can."""

    def to_markdown(self) -> str:
        """Returns the tables, the notes, and where the figures come from."""
        notes = "\n".join(f"- {note}" for note in self.notes)
        return "\n\n".join(filter(None, [*map(str, self.tables), notes, describe_origin()])) + "\n"


def describe_machine() -> dict[str, Any]:
    """Returns processor, cores, memory and system."""
    return {
        "processor": describe_processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "memory_bytes": read_memory(),
        "system": platform.platform(),
    }


def read_memory() -> int | None:
    """Returns the bytes of the machine's memory, None if the system does not say."""
    for line in read_proc("meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def describe_versions() -> dict[str, str | None]:
    """Returns the versions of Python and of what is measured, and bnexp's commit."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    own = describe_own_code()
    commit = own["commit"] and own["commit"][:7] + (" with changes" if own["dirty"] else "")
    return {**found, "commit": commit}


def describe_command() -> str:
    """Returns the command that measures this again, without where it keeps the figures."""
    words = sys.argv[1:]
    for option in ("--json", "--into"):
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
    return shlex.join(["python", f"scripts/{Path(sys.argv[0]).name}", *words])


def describe_origin() -> str:
    """Returns command, machine, versions and date as a paragraph."""
    machine, versions = describe_machine(), describe_versions()
    parts = [f"{name} {found}" for name, found in versions.items() if found]
    return (
        f"`{describe_command()}`, {date.today().isoformat()}; {machine['processor']}, "
        f"{count(machine['cores'], 'core')}, {count(machine['threads'], 'thread')}, "
        f"{(machine['memory_bytes'] or 0) / 2**30:.0f} GiB, {platform.system()}; "
        f"{', '.join(parts)}."
    )


def write_section(page: Path, name: str, text: str) -> None:
    """Replaces what stands between a page's two comments of that name.

    Raises:
        BenchmarkError: The page has no such place.
    """
    begin, end = f"<!-- {name}: measured -->\n", f"<!-- {name}: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise BenchmarkError(f"{page} has no line {begin.strip()} with {end} after it")
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")

"""How counts, quantities, config values and commands are written in messages and reports."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PureWindowsPath

LOADING = "loading PyTorch…"
"""Said before the import that takes seconds."""

_PROGRAMS = ("bnexp", "bnexp.exe", "__main__.py")
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|s|min|h|d|[KMG]?i?B)\b|%)")
_MOST_NAMED = 5
"""How many of several things a message names."""


def count(number: int, noun: str) -> str:
    """Returns `1 seed` or `3,000 seeds`; also `3 classes` of a class and `3 studies` of a study."""
    if number == 1:
        return f"{number} {noun}"
    if re.search(r"[^aeiou]y$", noun):
        return f"{number:,} {noun[:-1]}ies"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def count_range(numbers: Collection[int], noun: str) -> str:
    """Returns `3 seeds` if all numbers are the same, else `3 to 12 seeds`; of none, `0 seeds`."""
    least, most = min(numbers, default=0), max(numbers, default=0)
    return count(most, noun) if least == most else f"{least:,} to {count(most, noun)}"


def write_value(value: str | float | bool | None) -> str:
    """Returns a config value as YAML writes it, which is also how cell names show it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def format_duration(seconds: float) -> str:
    """Returns at most two units: `0.42 s`, `42 s`, `2 min 12 s`, `3 h 05 min`, `2 d 04 h`."""
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _join_units(whole, 60, "min", 1, "s")
    if whole < 86400:
        return _join_units(whole, 3600, "h", 60, "min")
    return _join_units(whole, 86400, "d", 3600, "h")


def format_age(seconds: float) -> str:
    """Returns how long ago something was, in its largest unit: `5 min ago`, `2 h ago`."""
    unit = next((size for size in (86400, 3600, 60) if seconds >= size), 1)
    return f"{format_duration(round(seconds / unit) * unit)} ago"


def _join_units(seconds: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = seconds % large // small
    first = f"{seconds // large} {large_unit}"
    return f"{first} {rest:02d} {small_unit}" if rest else first


def format_bytes(size: float) -> str:
    """Returns the size in the largest binary unit in which it is at least 1, e.g. `943 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}" if size < 999.5 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:,.2f} GiB"


def format_speed(per_second: float) -> str:
    """Returns a rate with three digits, or as a whole number from 100 on: `12.5`, `2,333`."""
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"


def format_percent(share: float) -> str:
    """Returns a share in [0, 1] as `61.2 %`."""
    return f"{100 * share:.1f} %"


def wrap_words(text: str, width: int, indent: int = 2) -> str:
    """Returns the text in lines that fit, broken between words alone; later ones are indented.

    A number stays with its unit. A word that is longer than a line, such as a path, stays whole;
    the terminal breaks it where the line ends.
    """
    unbroken = _BEFORE_UNIT.sub("\u00a0", text)
    lines: list[str] = []
    for line in textwrap.wrap(
        unbroken,
        max(width, indent + 20),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    ):
        if lines and len(line) > width:
            lines[-1] += f" {line.lstrip()}"
        else:
            lines.append(line)
    return "\n".join(lines).replace("\u00a0", " ")


def command_to_paste(words: Sequence[str]) -> str:
    """Returns a command line as a shell takes it, bnexp by its name however it was started."""
    program, *rest = words
    # This kind of path is parted by both / and \\.
    is_own = PureWindowsPath(program).name in _PROGRAMS
    return shlex.join(["bnexp" if is_own else program, *rest])


def show_path(path: Path) -> str:
    """Returns a path for messages: shortened in its middle if it is very long."""
    text = str(path).replace("\0", "\\0")
    return text if len(text) <= 300 else f"{text[:150]}…{text[-100:]}"


def name_some(items: Iterable[str]) -> str:
    """Returns the first few items, and how many more there are."""
    every = list(items)
    more = f" and {len(every) - _MOST_NAMED:,} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more

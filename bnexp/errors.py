"""Errors that a user can mend; each carries the exit code of the command that meets it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class BnexpError(Exception):
    """Something failed while running; the message says what, where and how to mend it."""

    exit_code = 1


class UsageError(BnexpError):
    """The command line, the config or the folder it names cannot be used as given."""

    exit_code = 2


class DataError(BnexpError):
    """A dataset is missing, damaged or not as its config says."""


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a config: where it stands, at which key, and what is wrong."""

    file: str
    line: int
    column: int
    path: str
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return where + (f"{self.path}: {self.reason}" if self.path else self.reason)


class ConfigError(UsageError):
    """One or more mistakes in a config, all reported at once, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Returns ` (did you mean 'x'?)` for the closest known word, or an empty string."""
    close = get_close_matches(str(word), known, n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""

"""Errors that a user can fix; each carries the exit code of the command that meets it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from bnexp.familiar_names import find_ours, has_word, is_foreign
from bnexp.foreign_text import shorten, shorten_words

_LONGEST = 60
"""Characters of an override, and of a key, in a message."""


OUT_OF_MEMORY = (
    "too little memory is left for this command; close other programs, raise the limit "
    "(ulimit -v), or ask for less, e.g. a smaller data.batch_size or fewer --jobs"
)


class BnexpError(Exception):
    """Something failed while running; the message says what, where and how to fix it."""

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
    kind: str = field(default="", compare=False)
    """What kind of mistake it is, for those who explain it further; empty if it has no name."""

    def __str__(self) -> str:
        is_override = self.file.startswith("-s ")
        file = shorten(self.file, _LONGEST) if is_override else self.file
        parts = (
            f"{file}:{self.line}:{self.column}",
            shorten(self.path, _LONGEST),
            shorten_words(self.reason),
        )
        return ": ".join(filter(None, parts))


class ConfigError(UsageError):
    """One or more mistakes in a config, all reported at once, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Sequence[str], folder: str = "") -> str:
    """Returns ` (did you mean 'x'?)` for what other programs call so, else for the closest word.

    `folder` is put before it. An empty string if there is neither, or if the word is that of a
    method that bnexp lacks: `nadam` is not `adamw`.
    """
    word = str(word)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if is_foreign(word):
        close = [name for name in close if has_word(name, word)]
    return suggest(f"{folder}{name}" for name in (*find_ours(word, known), *close))


def suggest(names: Iterable[str]) -> str:
    """Returns ` (did you mean 'x'?)` for the first name, or an empty string if there is none."""
    for name in names:
        word, option = name.partition(" with ")[::2]
        return f" (did you mean '{word}'{option and f' with {option}'}?)"
    return ""

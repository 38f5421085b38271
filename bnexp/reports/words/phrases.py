"""Text in pieces: which of them are names and which are numbers is known, never guessed."""

from __future__ import annotations

from collections.abc import Iterable

NO_BREAK = "\u00a0"
"""A blank at which no line is broken: between a number and its `%`, or around the sign of p."""


CONFIDENCE = f"95{NO_BREAK}%"
"""The confidence of every interval."""


class CellName(str):
    """A cell's name in a phrase, which a format may set apart."""

    __slots__ = ()


class Figure(str):
    """A number in a phrase, which a table may align with those above and below."""

    __slots__ = ()


Phrase = tuple[str, ...]
"""Pieces of one text, to be read one after another."""


def plain(phrase: Iterable[str]) -> str:
    """Returns the pieces as one text with ordinary blanks."""
    return "".join(phrase).replace(NO_BREAK, " ")

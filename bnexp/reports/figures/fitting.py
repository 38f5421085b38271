"""What there is no room for: names that are cut so that they still differ, cells left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from bnexp.analysis.diagnostics import MOST_CELLS


def shorten_names(names: Sequence[str], longest: int) -> list[str]:
    """Returns names that fit, the numbers in them kept, which tell layers apart.

    If one is too long, what all begin with is left out, and then the ends of long words.
    """
    if max(map(len, names)) <= longest:
        return list(names)
    words = [name.split(".") for name in names]
    columns = zip(*words, strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len({*column}) == 1, columns))
    words = [own[shared:] or own for own in words]
    shown = list(names)
    for most in (16, 8, 5, 3):
        shown = [".".join(cut_name(word, most) for word in own) for own in words]
        if max(map(len, shown)) <= longest:
            break
    return [cut_name(name, longest) for name in shown]


def cut_name(text: str, most: int) -> str:
    """Returns a name of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def say_cells(left_out: int) -> str:
    """Returns which cells are shown if so many are not; empty if all are."""
    if not left_out:
        return ""
    others = f"the first {MOST_CELLS - 1} of {MOST_CELLS - 1 + left_out} other cells"
    return f"Only the baseline and {others} are shown."

"""Short names for cells, made of what tells them apart, and names in lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bnexp.analysis.results import Comparison
from bnexp.config.sweep.names import short_names
from bnexp.runs.record import Scalar
from bnexp.wording import write_value


def shorten_cell_names(comparison: Comparison) -> dict[str, str]:
    """Returns a short name for each cell, by the cell's whole name.

    It holds the settings that differ between the cells: `batch, 0.4`. With one key it is
    `norm=batch`; with several, a value stands without its key if it cannot be taken for
    that of another, a switch is named if it is on, and a part's options if the part comes
    with several. If two names would be the same, all are the whole names.
    """
    keys = comparison.differing
    columns = [
        {c.cell: c.settings[key] for c in comparison.cells if key in c.settings} for key in keys
    ]
    are_bare = _bare_columns([list(column.values()) for column in columns])
    texts = []
    for name, column, is_bare in zip(short_names(keys), columns, are_bare, strict=True):
        written = dict(
            zip(column, _write_column(name, list(column.values()), is_bare), strict=True)
        )
        texts.append([written.get(cell.cell, "") for cell in comparison.cells])
    names = [", ".join(filter(None, row)) for row in zip(*texts, strict=True)]
    cells = [cell.cell for cell in comparison.cells]
    if "" in names or len(set(names)) < len(cells):
        return {cell: cell for cell in cells}
    return dict(zip(cells, names, strict=True))


def _write_column(name: str, values: Sequence[Scalar], is_bare: bool) -> list[str]:
    texts = _drop_options([write_value(value) for value in values])
    if is_bare:
        return texts
    if {type(value) for value in values} == {bool}:
        return [f"{name}=true" if value else "" for value in values]
    return [f"{name}={text}" for text in texts]


def _drop_options(texts: Sequence[str]) -> list[str]:
    """Returns `group` for `group(num_groups=8)` if the part comes with no other options."""
    variants: dict[str, set[str]] = {}
    for text in texts:
        variants.setdefault(text.partition("(")[0], set()).add(text)
    parts = [text.partition("(")[0] for text in texts]
    return [
        part if len(variants[part]) == 1 else text for part, text in zip(parts, texts, strict=True)
    ]


def _bare_columns(columns: Sequence[Sequence[Scalar]]) -> list[bool]:
    """Says which columns' values need no key: words of their own, and one column of numbers."""
    if len(columns) < 2:
        return [False] * len(columns)
    is_words = [all(isinstance(value, str) for value in column) for column in columns]
    is_numbers = [all(_is_number(value) for value in column) for column in columns]
    words = [set(column) for column, is_text in zip(columns, is_words, strict=True) if is_text]
    are_words_apart = len(set().union(*words)) == sum(map(len, words))
    return [
        are_words_apart and (is_text or (is_number and any(is_words) and sum(is_numbers) == 1))
        for is_text, is_number in zip(is_words, is_numbers, strict=True)
    ]


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def split_name(name: str) -> list[str]:
    """Returns the parts of a cell's name, each with the comma that ends it."""
    return re.split("(?<=,)(?! )|(?<=, )", name)


def fold_name(name: str, width: int) -> tuple[str, ...]:
    """Returns a name in lines of about that width, broken after commas, else within words.

    A word breaks after `_`, `(`, `=` and `/`; one without these stays whole.
    """
    lines = [""]
    for part in split_name(name):
        for piece in [part] if len(part) <= width else re.split("(?<=[_(=/])", part):
            if lines[-1] and len(lines[-1] + piece) > width:
                lines.append("")
            lines[-1] += piece
    return tuple(line.rstrip() for line in lines)

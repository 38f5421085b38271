"""What cells and their keys are called: in tables, in messages, and as the names of folders."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnexp.config.sweep.choices import Row

MAX_CELL_NAME = 120


def name_cells(rows: Sequence[Row], includes: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """Returns a name of its own for each cell of grid and zip, then for each include.

    A name is like `norm=batch,batch_size=8`, safe as a folder's name; `base` without choices.
    A key that only includes set gets a name that differs from those before it, so that an
    include at the end renames no other cell.

    Args:
        rows: The choices of each cell of grid and zip.
        includes: The choices of each include.
        keys: The keys of grid and zip.
    """
    names = dict(zip(keys, short_names(keys), strict=True))
    for row in includes:
        new = [choice.key for choice in row if choice.key not in names]
        names |= zip(new, short_names(new, names.values()), strict=True)
    cells: dict[str, str] = {}
    for row in (*rows, *includes):
        name = _cell_name(names, row)
        # Labels can run together, and some systems take `A` and `a` for the same folder; the
        # first cell keeps the plain name.
        if name.casefold() in cells:
            name = _with_digest(name, repr([(choice.key, choice.value.plain()) for choice in row]))
        cells[name.casefold()] = name
    return list(cells.values())


def short_names(keys: Sequence[str], taken: Collection[str] = ()) -> tuple[str, ...]:
    """Returns each key's last word, or as many words as make it differ from the others and `taken`.

    `model.norm.name` is `norm`, `data.batch_size` is `batch_size`.
    """
    counts = Counter(ending for key in keys for ending in _endings(key))
    taken = {*taken, *(ending for ending, count in counts.items() if count > 1)}
    return tuple(next((one for one in _endings(key) if one not in taken), key) for key in keys)


def _endings(key: str) -> Iterator[str]:
    words = key.removesuffix(".name").split(".")
    yield from (".".join(words[-length:]) for length in range(1, len(words) + 1))


def _cell_name(names: Mapping[str, str], row: Row) -> str:
    full = ",".join(f"{names[choice.key]}={choice.label}" for choice in row) or "base"
    safe = re.sub(r"[^A-Za-z0-9._=,+()-]", "_", full)
    # Windows drops a full stop at the end of a folder's name.
    if safe == full and len(full) <= MAX_CELL_NAME and not full.endswith("."):
        return full
    return _with_digest(safe, full)


def _with_digest(name: str, content: str) -> str:
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return f"{name[: MAX_CELL_NAME - 9]}-{digest}"

"""Short names for cells, made of what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bnexp.analysis.results import Comparison
from bnexp.config.sweep.names import short_names
from bnexp.runs.record import Scalar
from bnexp.wording import write_value

_NOTHING = ("null", "empty")
"""How settings are written that say that something is not there: null, and an empty list."""


def shorten_cell_names(comparison: Comparison) -> dict[str, str]:
    """Returns a short name for each cell, by the cell's whole name.

    It holds the settings that differ between the cells, each with its key: `norm=batch,
    learning rate 0.2`. A switch is named if it is on, and what may be null or an empty list, as
    augmentation may, if it is not; unless names are told apart by nothing else. A part's options
    stand behind it, as in `norm=group(num_groups=4)`; options that were swept with it, only if the
    part comes with several. If two names would be the same, all are the whole names.
    """
    whole = [cell.cell for cell in comparison.cells]
    short = name_settings(comparison.differing, [cell.settings for cell in comparison.cells])
    return dict(zip(whole, short or whole, strict=True))


def name_settings(keys: Sequence[str], rows: Sequence[Mapping[str, Scalar]]) -> list[str]:
    """Returns a short name for each row of settings, or nothing if two would be the same."""
    return _name_without(_NOTHING, keys, rows) or _name_without((), keys, rows)


def _name_without(
    unsaid: Sequence[str], keys: Sequence[str], rows: Sequence[Mapping[str, Scalar]]
) -> list[str]:
    names = dict(zip(keys, short_names(keys), strict=True))
    parts: list[list[str]] = [[] for _ in rows]
    for key in (key for key in keys if not any(_is_option(key, part) for part in keys)):
        values = _drop_options([row.get(key, False) for row in rows])
        values = [False if write_value(value) in unsaid else value for value in values]
        for found, row, value in zip(parts, rows, values, strict=True):
            found.append(_write_setting(names[key], value, _write_options(row, keys, key)))
    short = [", ".join(filter(None, found)) for found in parts]
    return short if "" not in short and len({*short}) == len(short) else []


def _is_option(key: str, part: str) -> bool:
    """Whether the key belongs to the part: `model.norm.eps` to `model.norm.name`."""
    return key != part and part.endswith(".name") and key.startswith(part.removesuffix("name"))


def _write_options(settings: Mapping[str, Scalar], keys: Sequence[str], part: str) -> str:
    found = [key for key in keys if _is_option(key, part) and key in settings]
    pairs = zip(short_names(found), found, strict=True)
    options = ",".join(f"{name}={write_value(settings[key])}" for name, key in pairs)
    return f"({options})" if options else ""


def _write_setting(name: str, value: Scalar, options: str) -> str:
    if value is False:
        return ""
    if isinstance(value, int | float) and value is not True:
        return f"{name.replace('_', ' ')} {value}"
    return f"{name}={write_value(value)}{options}"


def _drop_options(values: Sequence[Scalar]) -> list[Scalar]:
    """Returns `group` for `group(num_groups=8)` if the part comes with no other options."""
    words = [value.partition("(")[0] if isinstance(value, str) else value for value in values]
    pairs = list(zip(words, values, strict=True))
    variants = Counter(word for word, _ in set(pairs))
    return [word if variants[word] == 1 else value for word, value in pairs]

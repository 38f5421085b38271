"""Planned looks: the numbers of seeds at which an experiment is looked at while it grows."""

from __future__ import annotations

FEWEST = 3
"""Seeds below which no verdict is given."""

MOST = 20
"""Seeds beyond which no looks are planned."""

_LOOKS = (3, 4, 5, 6, 8, 10, 13, 16, 20)


def planned_looks(fewest: int, most: int) -> tuple[int, ...]:
    """Returns the numbers of seeds to look at from `fewest` to `most`, both of them included."""
    return tuple(sorted({fewest, most, *(look for look in _LOOKS if fewest < look < most)}))

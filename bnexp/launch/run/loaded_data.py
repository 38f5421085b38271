"""The data of the runs that a process trains: found and checked once, not before each run.

To look through an image folder of 60,000 files takes half a second, as long as a short run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from bnexp.data.dataset import Dataset, DatasetConfig
from bnexp.launch.screen.events import say_nothing

MOST_KEPT = 4
"""Configs of data whose images are kept at once: more rarely come in turns, and memory is dear."""


@dataclass(frozen=True)
class LoadedData:
    """A dataset, and the signature of the files that it was read from."""

    dataset: Dataset
    signature: str | None


_KEPT: ContextVar[dict[DatasetConfig, LoadedData] | None] = ContextVar("kept", default=None)


@contextmanager
def keeping_data() -> Iterator[None]:
    """Loads each data config once within the block: files that change meanwhile are not noticed."""
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def load_data(config: DatasetConfig) -> LoadedData:
    """Returns the data as it is, or within `keeping_data` as it was when it was first asked for.

    Raises:
        DataError: It is missing or damaged.
    """
    kept = _KEPT.get()
    found = None if kept is None else kept.get(config)
    if found is None:
        found = LoadedData(config.load(say_nothing), config.signature())
        if kept is not None:
            while len(kept) >= MOST_KEPT:
                del kept[next(iter(kept))]
            kept[config] = found
    return found

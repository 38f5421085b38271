"""A dataset as one uncompressed .npz file that loads fast and is never trusted unchecked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bnexp.data.dataset import Dataset, LabelledImages, Say
from bnexp.errors import DataError
from bnexp.files import open_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOADED: dict[Path, Dataset] = {}
_MOST_LOADED = 2


def load_or_build(path: Path, name: str, build: Callable[[], Dataset], say: Say) -> Dataset:
    """Returns the dataset kept at `path`, or builds it and keeps it there.

    A damaged file is built again, and one that cannot be kept (a full disk) only costs
    the building; `say` hears of both. Calls for the same path share one dataset in a process,
    so the arrays are read-only. `path` must name the content, not only the place.
    """
    if path in _LOADED:
        return _LOADED[path]
    try:
        dataset = read_arrays(path, name)
    except DataError as error:
        say(f"{error}; building it again")
        dataset = None
    if dataset is None:
        dataset = build()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_arrays(path, dataset)
        except OSError as error:
            say(f"cannot keep the decoded images in {path} ({error.strerror}); continuing without")
    for part in dataset.parts.values():
        part.images.setflags(write=False)
        part.labels.setflags(write=False)
    while len(_LOADED) >= _MOST_LOADED:
        del _LOADED[next(iter(_LOADED))]
    _LOADED[path] = dataset
    return dataset


def forget_loaded() -> None:
    """Forgets what this process has loaded, so that the next call reads it from disk."""
    _LOADED.clear()


def write_arrays(path: Path, dataset: Dataset) -> None:
    """Writes the dataset at `path`; a reader sees the old file or the new one."""
    with open_atomically(path) as file:
        arrays: dict[str, NDArray[np.generic]] = {}
        for split, part in dataset.parts.items():
            arrays |= {f"{split}_images": part.images, f"{split}_labels": part.labels}
        np.savez(
            file,
            **arrays,  # type: ignore[arg-type]
            class_names=np.array(dataset.class_names),
            fingerprint=np.array(dataset.fingerprint),
        )


def read_arrays(path: Path, name: str) -> Dataset | None:
    """Returns the dataset `name` kept at `path`, its fingerprint checked; None if there is none.

    Raises:
        DataError: The file cannot be read, or does not hold what was written.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = {
                split: LabelledImages(arrays[f"{split}_images"], arrays[f"{split}_labels"])
                for split in ("train", "test", "val")
                if split != "val" or "val_images" in arrays
            }
            dataset = Dataset(name, class_names=tuple(arrays["class_names"].tolist()), **parts)
            fingerprint = str(arrays["fingerprint"])
    except FileNotFoundError:
        return None
    except Exception as error:  # zipfile and NumPy raise all kinds on changed bits
        raise DataError(f"{path} cannot be used ({error})") from error
    if fingerprint != dataset.fingerprint:
        raise DataError(f"{path} cannot be used (its content does not match its fingerprint)")
    return dataset

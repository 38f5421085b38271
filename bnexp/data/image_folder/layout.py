"""What lies in an image folder, found without opening a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bnexp.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png")
NAMED = 5
"""How many of several offending files a message names."""


@dataclass(frozen=True)
class ImageFiles:
    """The image files below `train/` or `test/`, class by class, sorted by name."""

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    """Each file's class, as its place among the sorted class names."""


@dataclass(frozen=True)
class ImageFolder:
    """The layout of an image folder."""

    root: Path
    """Absolute, symbolic links resolved."""
    class_names: tuple[str, ...]
    train: ImageFiles
    test: ImageFiles
    fingerprint: str
    """SHA-256 over root, names, sizes and times of change: a changed file gives another one."""


def scan_image_folder(root: Path) -> ImageFolder:
    """Returns the layout of the image folder at `root`.

    Names that begin with a dot are passed over; links are followed.

    Raises:
        DataError: It is not laid out as train/<class>/* and test/<class>/* with the same
            classes in both, a class is empty, or something there is not an image.
    """
    try:
        resolved = root.resolve(strict=True)
        _require_folder(resolved, root)
        found = {split: _list_classes(resolved / split) for split in ("train", "test")}
        class_names = _common_classes(root, found["train"], found["test"])
        listings = {split: _list_images(resolved / split, class_names) for split in found}
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename} does not exist: the root of an image folder holds "
            "train/<class>/ and test/<class>/"
        ) from error
    except (OSError, RuntimeError) as error:
        # RuntimeError is what Python before 3.13 raises on links that lead in a circle.
        raise _unreadable(getattr(error, "filename", None) or root, error) from error
    files = {split: _to_files(listing) for split, listing in listings.items()}
    fingerprint = _fingerprint(resolved, listings.values())
    return ImageFolder(resolved, class_names, files["train"], files["test"], fingerprint)


def name_some(items: Iterable[str]) -> str:
    """Returns the first few items, and how many more there are."""
    every = list(items)
    more = f" and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


class _Entry(NamedTuple):
    path: str
    size: int
    mtime_ns: int


def _require_folder(resolved: Path, root: Path) -> None:
    if not resolved.is_dir():
        raise DataError(
            f"{root} is not a folder: `root` must name the one that holds train/<class>/ and "
            "test/<class>/"
        )


def _list_classes(split: Path) -> tuple[str, ...]:
    entries = _visible(split)
    folders = [entry.name for entry in entries if _is_folder(entry)]
    stray = sorted({entry.name for entry in entries}.difference(folders))
    if stray:
        raise DataError(
            f"{split} must hold one folder per class and nothing else; move these out of it: "
            f"{name_some(stray)}"
        )
    if not folders:
        raise DataError(f"{split} holds no class: put its images into {split}/<class>/")
    return tuple(sorted(folders))


def _common_classes(root: Path, train: tuple[str, ...], test: tuple[str, ...]) -> tuple[str, ...]:
    if train == test:
        return train
    lonely = [
        f"only {split}/ has {name_some(names)}"
        for split, names in (
            ("train", sorted(set(train) - set(test))),
            ("test", sorted(set(test) - set(train))),
        )
        if names
    ]
    raise DataError(
        f"train/ and test/ in {root} must have the same classes, but {'; '.join(lonely)}"
    )


def _list_images(split: Path, class_names: tuple[str, ...]) -> list[list[_Entry]]:
    """Returns the image files of each class, sorted by name."""
    listings = []
    foreign: list[str] = []
    for class_name in class_names:
        entries = sorted(_visible(split / class_name), key=lambda entry: entry.name)
        if not entries:
            raise DataError(f"{split / class_name} is empty: fill the class, or remove it")
        images = [entry for entry in entries if _is_image(entry)]
        if len(images) < len(entries):
            foreign += [entry.path for entry in entries if not _is_image(entry)]
        listings.append([_stat(entry) for entry in images])
    if foreign:
        raise DataError(
            f"not named like images ({', '.join(SUFFIXES)}), so move them out of the "
            f"image folder: {name_some(foreign)}"
        )
    return listings


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(SUFFIXES) and not _is_folder(entry)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        raise _unreadable(entry.path, error) from error


def _stat(entry: os.DirEntry[str]) -> _Entry:
    try:
        status = entry.stat()
    except OSError as error:
        raise _unreadable(entry.path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{entry.path} is not a file: move it out of the image folder")
    return _Entry(entry.path, status.st_size, status.st_mtime_ns)


def _unreadable(path: str | Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"cannot read {path} ({reason}): fix it or move it out of the image folder")


def _to_files(listings: list[list[_Entry]]) -> ImageFiles:
    return ImageFiles(
        tuple(entry.path for entries in listings for entry in entries),
        tuple(label for label, entries in enumerate(listings) for _ in entries),
    )


def _fingerprint(root: Path, splits: Iterable[list[list[_Entry]]]) -> str:
    """Returns the SHA-256 over all paths (which hold root and classes), sizes and times."""
    digest = hashlib.sha256(os.fsencode(root) + b"\0")
    for listings in splits:
        for entries in listings:
            lines = [f"{path}\0{size}\0{mtime_ns}\0" for path, size, mtime_ns in entries]
            digest.update(os.fsencode("".join(lines)))
    return digest.hexdigest()

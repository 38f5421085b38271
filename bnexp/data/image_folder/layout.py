"""What is in an image folder, found without opening a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bnexp.errors import DataError, UsageError
from bnexp.wording import name_some

SUFFIXES = (".jpg", ".jpeg", ".png")
REQUIRED_SPLITS = ("train", "test")
_NAMES_OF_VAL = ("val", "valid", "validation", "dev", "eval", "evaluation", "holdout")
"""What others call `val/`, in any case."""
Listing = list[list[os.DirEntry[str]]]
"""The files of each class in a split, sorted by name."""


@dataclass(frozen=True)
class ImageFolder:
    """The layout of an image folder."""

    root: Path
    """Absolute, symbolic links resolved."""
    class_names: tuple[str, ...]
    """Sorted."""
    listings: dict[str, Listing]
    """By split: `train`, `test`, and `val` if there is one."""
    fingerprint: str
    """SHA-256 over root, names, sizes and times of change: a changed file gives another one."""
    signature: str
    """SHA-256 over names and sizes alone, which copying or touching the folder leaves as it is."""

    @property
    def paths(self) -> list[str]:
        """The paths of all files, split by split and class by class."""
        return [
            entry.path
            for listing in self.listings.values()
            for entries in listing
            for entry in entries
        ]


def scan_image_folder(root: Path) -> ImageFolder:
    """Returns the layout of the image folder at `root`.

    Names that begin with a dot are passed over; links are followed.

    Raises:
        DataError: It is not laid out as train/<class>/*, test/<class>/* and, if wanted,
            val/<class>/* with the same classes in all, a class is empty, or something there is
            not an image.
    """
    try:
        resolved = root.resolve(strict=True)
        if not resolved.is_dir():
            raise DataError(
                f"{root} is not a folder: `root` must name the one that holds train/<class>/ and "
                "test/<class>/"
            )
        splits = _list_splits(resolved)
        classes = {split: _list_classes(resolved / split) for split in splits}
        _require_same_classes(root, classes)
        class_names = classes["train"]
        listings = {split: _list_images(resolved / split, class_names) for split in splits}
        fingerprint, signature = _digest(resolved, listings.values())
    # RuntimeError is what Python before 3.13 raises on links that lead in a circle.
    except (OSError, RuntimeError) as error:
        raise _explain(error, root) from error
    return ImageFolder(resolved, class_names, listings, fingerprint, signature)


def list_pictures(root: Path) -> dict[str, list[Path]]:
    """Returns the pictures below `root` by class, each class a folder of its own.

    Names that begin with a dot are passed over.

    Raises:
        UsageError: There is no such folder, or it holds no class.
        DataError: A class is empty, or something in one is not an image.
    """
    try:
        names = tuple(entry.name for entry in _visible(root) if entry.is_dir())
        if not names:
            raise UsageError(f"{root} holds no class: put pictures into {root}/<class>/")
        listing = _list_images(root, names)
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else "is not a folder"
        raise UsageError(
            f"{error.filename} {what}: name a folder with one folder of pictures per class, "
            "FOLDER/<class>/*.jpg"
        ) from error
    except (OSError, RuntimeError) as error:
        raise _explain(error, root) from error
    return {
        name: [Path(entry.path) for entry in entries]
        for name, entries in zip(names, listing, strict=True)
    }


def _list_splits(root: Path) -> tuple[str, ...]:
    names = {entry.name for entry in _visible(root) if entry.is_dir()}
    if other := sorted(name for name in names - {"val"} if name.lower() in _NAMES_OF_VAL):
        raise DataError(
            f"{root / other[0]} would be ignored: rename it to val/ if it holds validation images, "
            "or move it out of the image folder"
        )
    if {"train", "val"} <= names and "test" not in names:
        raise DataError(
            f"{root} holds train/ and val/ but no test/: results are measured on test/<class>/; "
            "add it, or rename val/ to test/ and set val_size to validate on training images"
        )
    return (*REQUIRED_SPLITS, "val") if "val" in names else REQUIRED_SPLITS


def _list_classes(split: Path) -> tuple[str, ...]:
    entries = _visible(split)
    stray = [entry.name for entry in entries if not entry.is_dir()]
    if stray:
        raise DataError(
            f"{split} must hold one folder per class and nothing else; move these out of it: "
            f"{name_some(stray)}"
        )
    if not entries:
        raise DataError(f"{split} holds no class: put its images into {split}/<class>/")
    if len(entries) == 1:
        raise DataError(
            f"{split} holds only the class {entries[0].name}: a classifier needs at least two"
        )
    return tuple(entry.name for entry in entries)


def _require_same_classes(root: Path, classes: dict[str, tuple[str, ...]]) -> None:
    common = set.intersection(*map(set, classes.values()))
    lonely = [
        f"only {split}/ has {name_some(sorted(set(names) - common))}"
        for split, names in classes.items()
        if set(names) - common
    ]
    if lonely:
        raise DataError(
            f"{' and '.join(f'{split}/' for split in classes)} in {root} must have the same "
            f"classes, but {'; '.join(lonely)}"
        )


def _list_images(split: Path, class_names: tuple[str, ...]) -> Listing:
    listing = [_visible(split / class_name) for class_name in class_names]
    for class_name, entries in zip(class_names, listing, strict=True):
        if not entries:
            raise DataError(f"{split / class_name} is empty: fill the class, or remove it")
    foreign = [
        entry.path
        for entries in listing
        for entry in entries
        if not entry.name.lower().endswith(SUFFIXES) or entry.is_dir()
    ]
    if foreign:
        raise DataError(
            f"not named like images ({', '.join(SUFFIXES)}), so move them out of the "
            f"image folder: {name_some(foreign)}"
        )
    return listing


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        seen = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(seen, key=lambda entry: entry.name)


def _explain(error: Exception, root: Path) -> DataError:
    path = getattr(error, "filename", None) or root
    if isinstance(error, FileNotFoundError) and not Path(path).is_symlink():
        return DataError(
            f"{path} does not exist: the root of an image folder holds train/<class>/ and "
            "test/<class>/"
        )
    reason = getattr(error, "strerror", None) or error
    return DataError(f"cannot read {path} ({reason}): fix it or move it out of the image folder")


def _digest(root: Path, listings: Iterable[Listing]) -> tuple[str, str]:
    """Returns the SHA-256 over root, names, sizes and times, and that over names and sizes."""
    place = os.fsencode(root)
    fingerprint, signature = hashlib.sha256(place + b"\0"), hashlib.sha256()
    for entry in (entry for listing in listings for entries in listing for entry in entries):
        status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{entry.path} is not a file: move it out of the image folder")
        path = os.fsencode(entry.path)
        fingerprint.update(b"%b\0%d\0%d\0" % (path, status.st_size, status.st_mtime_ns))
        signature.update(b"%b\0%d\0" % (path.removeprefix(place), status.st_size))
    return fingerprint.hexdigest(), signature.hexdigest()

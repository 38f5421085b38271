"""CIFAR-10 in the data folder: the verified archive and the decoded images beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from bnexp.data.array_cache import load_or_build
from bnexp.data.cifar10.archive import Archive, find_mismatch, official_archive, read_archive
from bnexp.data.dataset import Dataset, Say
from bnexp.data.download import UnreachableError, download_file
from bnexp.errors import DataError
from bnexp.files import open_atomically
from bnexp.locks import hold_lock
from bnexp.wording import format_bytes


def archive_path(home: Path) -> Path:
    """Returns where the archive lies in the data folder `home`."""
    return home / official_archive().filename


def cache_path(home: Path) -> Path:
    """Returns where the decoded images lie; the name says which archive they come from."""
    return home / f"cifar10-{official_archive().sha256[:16]}.npz"


def load_cifar10(home: Path, say: Say) -> Dataset:
    """Returns CIFAR-10 from the data folder `home`, downloading and decoding what is missing.

    Calls for the same folder share one read-only dataset in a process.

    Raises:
        DataError: It cannot be downloaded or kept, or what arrived is not CIFAR-10.
    """
    path = cache_path(home.absolute())
    try:
        return load_or_build(path, "cifar10", lambda: _decode(home, say), say)
    except OSError as error:
        raise _storage_error(home, error) from error


def import_archive(path: Path, home: Path, say: Say) -> Path:
    """Takes an archive got by hand into the data folder `home`, decodes it, returns its place.

    Raises:
        DataError: It is not the official archive, or cannot be read or kept.
    """
    archive = official_archive()
    mismatch = find_mismatch(path, archive)
    if mismatch:
        raise DataError(f"{path} is not {archive.filename}: {mismatch}; nothing was imported")
    target = archive_path(home)
    if not _is_sound(target, archive):
        try:
            home.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, open_atomically(target) as copy:
                shutil.copyfileobj(source, copy)
        except OSError as error:
            raise _storage_error(home, error) from error
    load_cifar10(home, say)
    return target


def _decode(home: Path, say: Say) -> Dataset:
    path, archive = archive_path(home), official_archive()
    if path.exists():
        try:
            return read_archive(path, archive)
        except DataError as error:
            say(f"{error}; downloading it again")
    _download(path, archive, say)
    return read_archive(path, archive)


def _download(target: Path, archive: Archive, say: Say) -> None:
    """Brings the verified archive to `target`; of several processes, only one downloads it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(target.with_name(f".{target.name}.lock"), say):
        if _is_sound(target, archive):
            return
        size = format_bytes(archive.size)
        say(f"downloading CIFAR-10 ({size}) from {archive.url} to {target.parent}")
        partial = target.with_name(f".{target.name}.partial")
        partial.unlink(missing_ok=True)  # of a process that was killed
        try:
            _fetch_verified(partial, archive)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _fetch_verified(partial: Path, archive: Archive) -> None:
    elsewhere = (
        f"get {archive.filename} elsewhere and run `bnexp data import PATH` "
        f"(its SHA-256 is {archive.sha256})"
    )
    try:
        download_file(archive.url, partial)
    except UnreachableError as error:
        raise DataError(
            f"cannot download CIFAR-10 from {archive.url} ({error}): connect to the internet "
            f"and run `bnexp data fetch cifar10`, or {elsewhere}"
        ) from error
    mismatch = find_mismatch(partial, archive)
    if mismatch:
        raise DataError(
            f"the download from {archive.url} was cut off or is wrong, nothing was kept: "
            f"{mismatch}; run `bnexp data fetch cifar10` again, or {elsewhere}"
        )


def _is_sound(path: Path, archive: Archive) -> bool:
    return path.exists() and find_mismatch(path, archive) is None


def _storage_error(home: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot keep CIFAR-10 in {home} ({error.strerror or error}): make room or name "
        "another folder with `root` or BNEXP_DATA"
    )

"""Published datasets in the data folder: the verified files and the decoded images beside them."""

from __future__ import annotations

import hashlib
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from bnexp.data.array_cache import load_or_build
from bnexp.data.dataset import Dataset, Say, data_home
from bnexp.data.download import UnreachableError, download_file
from bnexp.data.published.source import PublishedFile, Source
from bnexp.errors import DataError
from bnexp.files import open_atomically
from bnexp.locks import hold_lock
from bnexp.wording import format_bytes


def find_mismatch(path: Path, file: PublishedFile) -> str | None:
    """Returns how what lies at `path` differs from the published file, None if it does not.

    Raises:
        DataError: It cannot be read, or is not a regular file.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"cannot read {path} (not a regular file)")
        if status.st_size > file.size:
            return f"it has {status.st_size:,} bytes, but should have {file.size:,}"
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return _compare(path.stat().st_size, digest, file)
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror})") from error


def read_verified(path: Path, file: PublishedFile) -> bytes:
    """Returns the content of the published file at `path`, after its SHA-256 is verified.

    Raises:
        DataError: It is another file, or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror})") from error
    # The very bytes that are used are verified, not a file that may change in between.
    mismatch = _compare(len(content), hashlib.sha256(content).hexdigest(), file)
    if mismatch:
        raise DataError(f"{path} is not {file.filename}: {mismatch}")
    return content


def _compare(size: int, digest: str, file: PublishedFile) -> str | None:
    if digest == file.sha256:
        return None
    found = f"{size:,} of {file.size:,} bytes" if size < file.size else f"{size:,} bytes"
    return f"it has {found} and the SHA-256 {digest}, but should have {file.sha256}"


def cache_path(source: Source, home: Path) -> Path:
    """Returns where the decoded images lie; the name says which files they come from."""
    # A folder that somebody unpacked is left as it is.
    kept = data_home() if source.find_extracted(home) == home else home
    return kept / source.places[0] / f"{source.name}-{source.digest[:16]}.npz"


def find_files(source: Source, home: Path) -> dict[PublishedFile, Path]:
    """Returns where the files of the dataset lie, if all of them are in one folder."""
    for place in source.places:
        paths = {file: home / place / file.filename for file in source.files}
        if all(path.exists() for path in paths.values()):
            return paths
    return {}


def load_published(source: Source, home: Path, say: Say) -> Dataset:
    """Returns the dataset from the data folder `home`, fetching and decoding what is missing.

    Calls for the same folder share one read-only dataset in a process.

    Raises:
        DataError: It cannot be downloaded or kept, or what arrived is not the dataset.
    """
    path = cache_path(source, home.absolute())
    try:
        return load_or_build(path, source.name, lambda: _decode(source, home, say), say)
    except OSError as error:
        raise _storage_error(source, home, error) from error


def import_files(path: Path, sources: Sequence[Source], home: Path, say: Say) -> tuple[str, Path]:
    """Takes files got by hand into the data folder; returns the dataset's name and where they are.

    `path` is a file, or a folder that holds all files of the dataset.

    Raises:
        DataError: They are not the published files, or cannot be read or kept.
    """
    source, found = _recognize(path, sources)
    folder = home / source.places[0]
    missing = [
        file.filename
        for file in source.files
        if file not in found and not _is_sound(folder / file.filename, file)
    ]
    if missing:
        raise DataError(
            f"{source.name} also needs {', '.join(missing)}: put all its files into one "
            "folder and import that; nothing was imported"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, one in found.items():
            _copy(one, folder / file.filename, file)
    except OSError as error:
        raise _storage_error(source, home, error) from error
    load_published(source, home, say)
    return source.name, folder / source.files[0].filename if len(source.files) == 1 else folder


def _recognize(path: Path, sources: Sequence[Source]) -> tuple[Source, dict[PublishedFile, Path]]:
    """Returns the first dataset of which there are files at `path`, and those files.

    Raises:
        DataError: There is none, or `path` cannot be read.
    """
    is_folder = path.is_dir()
    try:
        candidates = [one for one in path.iterdir() if one.is_file()] if is_folder else [path]
        for source in sources:
            found = {
                file: one
                for file in source.files
                for one in candidates
                if (one.name == file.filename or not is_folder)
                # A file of another size need not be read.
                and one.stat().st_size == file.size
                and find_mismatch(one, file) is None
            }
            if found:
                return source, found
    except OSError as error:
        raise DataError(f"cannot read {error.filename} ({error.strerror})") from error
    if not is_folder:
        known = [file for source in sources for file in source.files]
        likely = min(known, key=lambda file: file.filename != path.name)
        mismatch = find_mismatch(path, likely)  # also finds what cannot be read
        if likely.filename == path.name:
            raise DataError(f"{path} is not {path.name}: {mismatch}; nothing was imported")
    names = ", ".join(source.name for source in sources)
    raise DataError(f"{path} holds no published file of {names}; nothing was imported")


def _copy(path: Path, target: Path, file: PublishedFile) -> None:
    if not _is_sound(target, file):
        with path.open("rb") as content, open_atomically(target) as copy:
            shutil.copyfileobj(content, copy)


def _decode(source: Source, home: Path, say: Say) -> Dataset:
    paths = find_files(source, home)
    if paths:
        try:
            return _read(source, paths)
        except DataError as error:
            say(f"{error}; downloading it again")
    elif extracted := source.find_extracted(home):
        return source.read_extracted(extracted)
    folder = home / source.places[0]
    for file in source.files:
        _download(folder / file.filename, file, source, say)
    return _read(source, {file: folder / file.filename for file in source.files})


def _read(source: Source, paths: dict[PublishedFile, Path]) -> Dataset:
    contents = {file.filename: read_verified(path, file) for file, path in paths.items()}
    first = next(iter(paths.values()))
    return source.read(contents, first if len(paths) == 1 else first.parent)


def _download(target: Path, file: PublishedFile, source: Source, say: Say) -> None:
    """Brings a verified file to `target`; of several processes, only one downloads it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(target.with_name(f".{target.name}.lock"), say):
        if _is_sound(target, file):
            return
        urls = source.list_urls(file)
        title = source.title if len(source.files) == 1 else f"{source.title}'s {file.filename}"
        say(f"downloading {title} ({format_bytes(file.size)}) from {urls[0]} to {target.parent}")
        partial = target.with_name(f".{target.name}.partial")
        partial.unlink(missing_ok=True)  # of a process that was killed
        try:
            _fetch_verified(partial, file, source, urls)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _fetch_verified(
    partial: Path, file: PublishedFile, source: Source, urls: Sequence[str]
) -> None:
    """Downloads the file from the first address that has it."""
    elsewhere = (
        f"get {file.filename} elsewhere and run `bnexp data import PATH` "
        f"(its SHA-256 is {file.sha256})"
    )
    fetch = f"run `bnexp data fetch {source.name}`"
    unreachable, wrong = [], []
    for url in urls:
        try:
            download_file(url, partial)
        except UnreachableError as error:
            unreachable.append(f"{url} ({error})")
            continue
        mismatch = find_mismatch(partial, file)
        if mismatch is None:
            return
        wrong.append(
            f"the download from {url} was cut off or is wrong, nothing was kept: {mismatch}"
        )
    if wrong:
        raise DataError(f"{wrong[0]}; {fetch} again, or {elsewhere}")
    raise DataError(
        f"cannot download {source.title} from {' or '.join(unreachable)}: connect to the internet "
        f"and {fetch}, or {elsewhere}"
    )


def _is_sound(path: Path, file: PublishedFile) -> bool:
    return path.exists() and find_mismatch(path, file) is None


def _storage_error(source: Source, home: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot keep {source.title} in {home} ({error.strerror or error}): make room or name "
        "another folder with `root` or BNEXP_DATA"
    )

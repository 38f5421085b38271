"""The official CIFAR-10 archive: known by its SHA-256, read in memory, never unpacked to disk."""

from __future__ import annotations

import _codecs
import hashlib
import io
import os
import pickle
import stat
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.errors import DataError

_FOLDER = "cifar-10-batches-py"
_TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST_BATCH = "test_batch"
_META = "batches.meta"
_SIDE = 32


@dataclass(frozen=True)
class Archive:
    """A published archive in CIFAR-10's Python format: where it is and how it is known."""

    url: str
    filename: str
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal; nothing in the archive is read before this is verified."""
    images_per_batch: int = 10_000


CIFAR10 = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    filename="cifar-10-python.tar.gz",
    size=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)


def official_archive() -> Archive:
    """Returns the official archive, at the mirror that `$BNEXP_CIFAR10_URL` names if it is set.

    A mirror changes the address alone; the content must have the same SHA-256.
    """
    mirror = os.environ.get("BNEXP_CIFAR10_URL")
    return replace(CIFAR10, url=mirror) if mirror else CIFAR10


def find_mismatch(path: Path, archive: Archive) -> str | None:
    """Returns how the file differs from the archive, or None if its SHA-256 is right.

    Raises:
        DataError: It cannot be read, or is not a regular file.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"cannot read {path} (not a regular file)")
        if status.st_size > archive.size:
            return f"it has {status.st_size:,} bytes, but should have {archive.size:,}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return _compare(path.stat().st_size, digest, archive)
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror})") from error


def read_archive(path: Path, archive: Archive) -> Dataset:
    """Returns the images of the archive at `path`, read only after its SHA-256 is verified.

    Raises:
        DataError: It is not the archive, cannot be read, or holds something else than images.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror})") from error
    # The very bytes that are read below are verified, not a file that may change in between.
    mismatch = _compare(len(content), hashlib.sha256(content).hexdigest(), archive)
    if mismatch:
        raise DataError(f"{path} is not {archive.filename}: {mismatch}")
    try:
        members = _unpickle_members(content)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{path} is not a readable tar.gz archive ({error})") from error
    return _build_dataset(members, archive, path)


def _compare(size: int, digest: str, archive: Archive) -> str | None:
    if digest == archive.sha256:
        return None
    found = f"{size:,} of {archive.size:,} bytes" if size < archive.size else f"{size:,} bytes"
    return f"it has {found} and the SHA-256 {digest}, but should have {archive.sha256}"


def _unpickle_members(content: bytes) -> dict[str, Any]:
    """Returns the decoded batches by name; members of any other name or kind are passed over."""
    wanted = {f"{_FOLDER}/{name}": name for name in (*_TRAIN_BATCHES, _TEST_BATCH, _META)}
    members: dict[str, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        for member in tar:
            name = wanted.get(member.name)
            file = tar.extractfile(member) if name and member.isreg() else None
            if name and file:
                members[name] = _unpickle(file, member.name)
    return members


def _build_dtype(code: str, align: int = 0, copy: int = 0) -> np.dtype[Any]:
    # Archives from Python 2 pass numbers for align and copy, which NumPy 2.4 warns of.
    return np.dtype(code, align=bool(align), copy=bool(copy))


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding} is not allowed")
    return _codecs.encode(text, encoding)


_reconstruct: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _build_dtype,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain values; whatever else a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Returns what stands for the global `module.name`, if it is allowed."""
        admitted = _ADMITTED.get((module, name))
        if admitted is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return admitted


def _unpickle(file: IO[bytes], member: str) -> Any:  # noqa: ANN401 - checked by the caller
    try:
        return _ArrayUnpickler(file, encoding="latin1").load()
    except Exception as error:  # a hostile pickle can raise anything
        raise DataError(
            f"{member} in the archive holds more than images and labels ({error}); refused"
        ) from error


def _build_dataset(members: dict[str, Any], archive: Archive, path: Path) -> Dataset:
    try:
        class_names = tuple(str(name) for name in members[_META]["label_names"])
        parts = {
            name: _read_batch(members[name], archive.images_per_batch, len(class_names))
            for name in (*_TRAIN_BATCHES, _TEST_BATCH)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not laid out as CIFAR-10 is ({error})") from error
    train = LabelledImages(
        np.concatenate([parts[name].images for name in _TRAIN_BATCHES]),
        np.concatenate([parts[name].labels for name in _TRAIN_BATCHES]),
    )
    return Dataset("cifar10", train, parts[_TEST_BATCH], class_names)


def _read_batch(batch: dict[str, Any], count: int, num_classes: int) -> LabelledImages:
    """Returns a batch's images `(count, 32, 32, 3)`; its rows hold all red, green, then blue."""
    pixels: NDArray[np.uint8] = batch["data"]
    labels = np.array(batch["labels"], dtype=np.int64)
    shape = (count, 3 * _SIDE * _SIDE)
    if not isinstance(pixels, np.ndarray) or pixels.shape != shape or pixels.dtype != np.uint8:
        raise ValueError(f"a batch is not {shape[0]} rows of {shape[1]} bytes")
    if labels.shape != (count,) or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels are not {count} numbers from 0 to {num_classes - 1}")
    planes = pixels.reshape(count, 3, _SIDE, _SIDE)
    return LabelledImages(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)

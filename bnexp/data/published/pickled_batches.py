"""CIFAR's pickled batches, read without running what a pickle may ask for."""

from __future__ import annotations

import _codecs
import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.data.published.cifar_files import CifarFiles
from bnexp.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 32


def unpickle_archive(
    contents: Mapping[str, bytes], source: CifarFiles, where: Path
) -> dict[str, Any]:
    """Returns the decoded batches by name; members of any other name or kind are passed over.

    Raises:
        DataError: It is not an archive, or a member holds more than images and labels.
    """
    (content,) = contents.values()
    try:
        return _unpickle_members(content, source)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{where} is not a readable tar.gz archive ({error})") from error


def unpickle_file(path: Path, md5: str) -> Any:  # noqa: ANN401 - checked by `build_dataset`
    """Returns what an unpacked member holds, read only after its MD5 is verified.

    Raises:
        DataError: It is not the published file.
        OSError: It cannot be read.
    """
    content = path.read_bytes()
    # It tells a damaged file from a sound one; what it holds is not trusted for that.
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest != md5:
        raise DataError(
            f"{path} has the MD5 {digest}, but should have {md5}; unpack the archive again, or "
            f"remove {path.parent} to download it"
        )
    return _unpickle(io.BytesIO(content), str(path))


def _unpickle_members(content: bytes, source: CifarFiles) -> dict[str, Any]:
    wanted = {f"{source.member_folder}/{name}": name for name in source.members}
    members: dict[str, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        for member in tar:
            name = wanted.get(member.name)
            file = tar.extractfile(member) if name and member.isreg() else None
            if name and file:
                members[name] = _unpickle(file, f"{member.name} in the archive")
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
        raise DataError(f"{member} holds more than images and labels ({error}); refused") from error


def build_dataset(members: dict[str, Any], source: CifarFiles, where: Path) -> Dataset:
    """Returns the dataset that the decoded members hold.

    Raises:
        DataError: A member is missing or not laid out as it should be.
    """
    count = source.facts.train_count // len(source.train_members)
    counts = {
        **dict.fromkeys(source.train_members, count),
        source.test_member: source.facts.test_count,
    }
    try:
        class_names = tuple(str(name) for name in members[source.meta_member][source.names_key])
        parts = {
            name: _read_batch(members[name], source.labels_key, number, len(class_names))
            for name, number in counts.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where} is not laid out as {source.title} is ({error})") from error
    train = LabelledImages(
        np.concatenate([parts[name].images for name in source.train_members]),
        np.concatenate([parts[name].labels for name in source.train_members]),
    )
    return Dataset(source.name, train, parts[source.test_member], class_names)


def _read_batch(
    batch: dict[str, Any], labels_key: str, count: int, num_classes: int
) -> LabelledImages:
    """Returns a batch's images `(count, 32, 32, 3)`; its rows hold all red, green, then blue."""
    pixels: NDArray[np.uint8] = batch["data"]
    labels = np.array(batch[labels_key], dtype=np.int64)
    shape = (count, 3 * _SIDE * _SIDE)
    if not isinstance(pixels, np.ndarray) or pixels.shape != shape or pixels.dtype != np.uint8:
        raise ValueError(f"a batch is not {shape[0]} rows of {shape[1]} bytes")
    if labels.shape != (count,) or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels are not {count} numbers from 0 to {num_classes - 1}")
    planes = pixels.reshape(count, 3, _SIDE, _SIDE)
    return LabelledImages(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)

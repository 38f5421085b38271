"""What a run's last evaluation said of each test picture: `predictions.npz`, which NumPy reads.

It holds the most likely classes of every picture, and the pictures of the most confident mistakes,
so that a report needs neither the dataset nor PyTorch.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from math import prod
from operator import gt
from sys import maxunicode
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from bnexp.errors import BnexpError
from bnexp.files import read_foreign
from bnexp.runs.measured.confusion import Confusion
from bnexp.runs.record import RunRecord
from bnexp.runs.run_dir import RunDir
from bnexp.runs.seal import Seal

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CLASSES = 10
"""Classes that are kept of each picture, the most likely ones: all of CIFAR-10's."""

MOST_CLASSES_OF_A_DATASET = 2000
"""Classes beyond which a run keeps no predictions: nobody looks at so large a matrix."""

LONGEST_SIDE = 96
"""Pixels of a kept picture's longer side at most."""

_MOST_BYTES = 64 * 2**20
"""More than the file of a million test pictures has."""
_MOST_UNPACKED = _MOST_BYTES
_MOST_PICTURES = 1000

_LARGEST_DIRECTORY = 4096
"""Bytes of the list of a zip file's members; ours has a tenth of it."""

_NOT_OURS = (
    ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, EOFError, OSError,
    SyntaxError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading something else raises."""

_MEMBERS = (
    "class_names", "labels", "classes", "probabilities", "mistakes", "pictures",
    "population_statistics",
)  # fmt: skip


@dataclass(frozen=True)
class Mistake:
    """A picture that was taken for another class than its own."""

    index: int
    """Its place among the dataset's test pictures."""
    true: str
    taken: str
    probability: float
    """Of the class that it was taken for."""
    picture: NDArray[np.uint8]
    """Pixels `(H, W, C)`, made smaller if it was large."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network said of `N` test pictures, in the order of the dataset.

    Raises:
        ValueError: The arrays contradict each other, or hold what no network says.
    """

    class_names: tuple[str, ...]
    """In the order of the logits."""
    labels: NDArray[Any]
    """Each picture's own class, integers `(N,)`."""
    classes: NDArray[Any]
    """The most likely classes of each, the likeliest first, integers `(N, M)`; `M` is 10 or, if
    there are fewer, the number of classes."""
    probabilities: NDArray[np.floating[Any]]
    """Theirs, `(N, M)`."""
    mistakes: NDArray[Any]
    """Places of the most confident mistakes, the worst first, integers `(P,)`."""
    pictures: NDArray[np.uint8]
    """Theirs, `(P, H, W, C)`."""
    population_statistics: str = "ema"
    """What batch norm was evaluated with."""

    def __post_init__(self) -> None:
        known, number = len(self.class_names), len(self.labels)
        shapes = (self.labels.shape, self.classes.shape[:1], self.mistakes.shape)
        if not 0 < known <= MOST_CLASSES_OF_A_DATASET or not number:
            raise ValueError("it has no picture, or no class")
        if shapes != ((number,), (number,), (len(self.pictures),)) or self.pictures.ndim != 4:
            raise ValueError("its arrays are of different lengths")
        if self.pictures.dtype != np.uint8 or self.probabilities.dtype.kind != "f":
            raise ValueError("its pictures or probabilities are of another type")
        if self.classes.ndim != 2 or self.classes.shape != self.probabilities.shape:
            raise ValueError("its classes and probabilities do not go together")
        sides, most = self.pictures.shape, (_MOST_PICTURES, LONGEST_SIDE, LONGEST_SIDE)
        if not 0 < self.classes.shape[1] <= known or any(map(gt, sides, most)) or 0 in sides[1:]:
            raise ValueError("it holds more, or less, than an evaluation gives")
        for values, end in ((self.labels, known), (self.classes, known), (self.mistakes, number)):
            if values.dtype.kind not in "iu" or not _lie_within(values, 0, end - 1):
                raise ValueError("it names a class or a picture that does not exist")
        if not _lie_within(self.probabilities, 0, 1):
            raise ValueError("it has a probability that is none")
        if (self.classes[self.mistakes, 0] == self.labels[self.mistakes]).any():
            raise ValueError("it shows a picture as a mistake that is none")

    @cached_property
    def confusion(self) -> Confusion:
        """Which class was taken for which, and what follows for each."""
        return Confusion.of(self.class_names, self.labels, self.classes[:, 0])

    def list_mistakes(self) -> list[Mistake]:
        """Returns the most confident mistakes whose pictures were kept, the worst first."""
        names = self.class_names
        return [
            Mistake(
                int(index),
                names[self.labels[index]],
                names[self.classes[index, 0]],
                float(self.probabilities[index, 0]),
                picture,
            )
            for index, picture in zip(self.mistakes, self.pictures, strict=True)
        ]

    def encode(self) -> bytes:
        """Returns the content of `predictions.npz`: the same predictions give the same bytes."""
        arrays = {name: np.asarray(getattr(self, name)) for name in _MEMBERS}
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                content = io.BytesIO()
                npy.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
                # Without a date it has that of 1980.
                member = zipfile.ZipInfo(f"{name}.npy")
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, content.getvalue())
        return file.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> Predictions:
        """Returns the predictions that `encode` wrote; nothing else is unpacked.

        Raises:
            ValueError: It is something else.
        """
        try:
            arrays = _unpack(content)
            names = arrays.pop("class_names")
            if names.dtype.kind != "U" or names.ndim != 1:
                raise ValueError("its class names are no texts")
            statistics = str(arrays.pop("population_statistics").item())
        except _NOT_OURS as error:
            raise ValueError("it is no file of predictions") from error
        try:
            return cls(tuple(names.tolist()), **arrays, population_statistics=statistics)
        except TypeError as error:
            raise ValueError("its arrays are of other types") from error


def _lie_within(values: NDArray[Any], low: float, high: float) -> bool:
    """Returns whether all values, of which none is NaN, lie between these two."""
    return bool(((values >= low) & (values <= high)).all())


def _unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a zip file by name.

    How much it will unpack is known, and bounded, before it is unpacked.
    """
    end = content[-22:]
    is_plain = end[:4] == b"PK\5\6" and content[-42:-38] != b"PK\6\7"
    if not is_plain or struct.unpack_from("<I", end, 12)[0] > _LARGEST_DIRECTORY:
        raise ValueError("it is no zip file, or one of many members")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.getinfo(f"{name}.npy") for name in _MEMBERS}
        kinds = {member.compress_type for member in members.values()}
        if sum(member.file_size for member in members.values()) > _MOST_UNPACKED:
            raise ValueError("it is too large")
        if kinds - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ValueError("it is packed in another way")
        return {name: _read_array(archive, member) for name, member in members.items()}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        # With a size, since without one all that a small file may unpack to would be unpacked.
        content = file.read(member.file_size)
    stream = io.BytesIO(content)
    if npy.read_magic(stream) != (1, 0):
        raise ValueError("it is of another version")
    shape, is_fortran, dtype = npy.read_array_header_1_0(stream)
    start, size = stream.tell(), prod(shape) * dtype.itemsize
    if is_fortran or dtype.kind not in "iufU" or not dtype.itemsize or min(shape, default=0) < 0:
        raise ValueError("it is no array of numbers or texts")
    if start + size != len(content):
        raise ValueError("it is not as long as it says")
    letters = np.dtype("u4").newbyteorder(dtype.byteorder)
    if dtype.kind == "U" and (np.frombuffer(content, letters, offset=start) > maxunicode).any():
        raise ValueError("it has letters that do not exist")
    return np.frombuffer(content, dtype, prod(shape), start).reshape(shape)


def read_predictions(run: RunRecord) -> Predictions | None:
    """Returns what a finished run predicted, or None if it has not kept that.

    A run that diverged or has not ended predicted nothing; runs of earlier versions kept nothing.

    Raises:
        BnexpError: The file cannot be read, or is not what the run wrote.
    """
    if run.summary is None or run.state != "finished":
        return None
    file, seal = RunDir(run.path).predictions, Seal(run.path)
    content: bytes | None = None
    try:
        content = read_foreign(file, _MOST_BYTES)
    except FileNotFoundError:
        if not seal.covers(file.name):
            return None
    except OSError as error:
        raise BnexpError(f"{file} cannot be read: {error.strerror or error}") from error
    if problem := seal.find_problem(file.name, content):
        raise BnexpError(problem)
    assert content is not None
    try:
        return Predictions.decode(content)
    except ValueError as error:
        raise BnexpError(f"{file} cannot be used: {error}") from error

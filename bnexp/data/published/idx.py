"""The format of MNIST: four compressed files, images and labels for training and for testing."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.data.published.source import PublishedFile, Source
from bnexp.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BYTES = 8
"""IDX's code for unsigned bytes, the only kind of numbers that is read."""

_FILENAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def name_files(*published: tuple[int, str]) -> tuple[PublishedFile, ...]:
    """Returns the four files from their sizes in bytes and their SHA-256, in the usual order."""
    return tuple(
        PublishedFile(name, *file) for name, file in zip(_FILENAMES, published, strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class IdxSource(Source):
    """Training images and labels, then test images and labels, each an IDX file in gzip."""

    class_names: tuple[str, ...]

    def read(self, contents: Mapping[str, bytes], where: Path) -> Dataset:
        """Returns the dataset, its images `(N, 28, 28, 1)`.

        Raises:
            DataError: A file is cut short, or its header says something else than it should.
        """
        height, width, _ = self.facts.image_shape
        counts = (self.facts.train_count, self.facts.test_count)
        arrays = [
            _read_idx(contents[file.filename], shape, where / file.filename)
            for file, shape in zip(
                self.files,
                [shape for count in counts for shape in ((count, height, width), (count,))],
                strict=True,
            )
        ]
        train, test = (
            LabelledImages(images[..., None].copy(), labels.astype("int64"))
            for images, labels in (arrays[:2], arrays[2:])
        )
        return Dataset(self.name, train, test, self.class_names)


def _read_idx(content: bytes, shape: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
    """Returns the numbers of an IDX file, which must have exactly this shape."""
    import numpy as np

    try:
        plain = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a readable gzip file ({error})") from error
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    header = bytes((0, 0, _BYTES, len(shape))) + sizes
    if not plain.startswith(header):
        raise DataError(
            f"{path} does not begin as an IDX file of {'×'.join(map(str, shape))} bytes does, "
            f"but with {plain[: len(header)].hex() or 'nothing'}"
        )
    if len(plain) != len(header) + math.prod(shape):
        raise DataError(
            f"{path} holds {len(plain) - len(header):,} numbers, not {math.prod(shape):,}"
        )
    return np.frombuffer(plain, np.uint8, offset=len(header)).reshape(shape)

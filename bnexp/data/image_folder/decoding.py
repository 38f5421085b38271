"""An image folder's pixels: decoded in parallel, each file checked, kept for the next time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import track

from bnexp.data.array_cache import load_or_build
from bnexp.data.dataset import Dataset, LabelledImages, Say, compute_fingerprint, data_home
from bnexp.data.image_folder.layout import ImageFolder, name_some, scan_image_folder
from bnexp.errors import DataError

Size = tuple[int, int]
"""Width and height, as Pillow orders them."""

_CHUNK = 200
_PROBES = 20
_PNG_DEPTH = 24
"""Where a PNG file says how many bits a channel has."""
_MODES = {
    "1": "black and white without greys",
    "P": "a colour palette",
    "PA": "a colour palette",
    "RGBA": "an alpha channel",
    "LA": "an alpha channel",
    "I": "16 bits per channel",
    "I;16": "16 bits per channel",
}


def load_image_folder(root: Path, say: Say) -> Dataset:
    """Returns the images below `root`, from the cache if the folder has not changed.

    Calls for the same unchanged folder share one read-only dataset in a process.

    Raises:
        DataError: The folder is not laid out as it should be, or files in it cannot be used.
    """
    folder = scan_image_folder(root)
    home = data_home().absolute() / "image_folder"
    place = hashlib.sha256(os.fsencode(folder.root)).hexdigest()[:16]
    path = home / f"{place}-{folder.fingerprint[:16]}.npz"

    def build() -> Dataset:
        count = sum(len(files.paths) for files in folder.files.values())
        say(f"decoding {count:,} images in {folder.root}, to be kept in {path}")
        return decode_image_folder(folder, say)

    dataset = load_or_build(path, "image_folder", build, say)
    # The same folder before its last change is not loaded again.
    for old in set(home.glob(f"{place}-*.npz")) - {path}:
        with contextlib.suppress(OSError):
            old.unlink()
    return dataset


def decode_image_folder(folder: ImageFolder, say: Say) -> Dataset:
    """Decodes every file; images are uint8 `(N, H, W, 3)`, class by class, sorted by name.

    Raises:
        DataError: Files are damaged, foreign or of another size; it names the first few.
    """
    paths = [path for files in folder.files.values() for path in files.paths]
    images = _decode_all(paths, folder.root, say)
    parts = {}
    for split, files in folder.files.items():
        count = len(files.paths)
        parts[split] = LabelledImages(images[:count], np.array(files.labels, np.int64))
        images = images[count:]
    fingerprint = compute_fingerprint(parts["train"], parts["test"], folder.class_names)
    return Dataset("image_folder", parts["train"], parts["test"], folder.class_names, fingerprint)


class _UnusableError(Exception):
    """An image file cannot be used; the message is the reason."""


@dataclass(frozen=True)
class _Finding:
    """What decoding a file found."""

    size: Size | None = None
    problem: str = ""
    is_grey: bool = False


def _decode_all(paths: Sequence[str], root: Path, say: Say) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        # Pillow only warns of images between its limit and twice its limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        size = _find_size(paths)
        images = _allocate(len(paths), size)
        findings = _decode_in_parallel(paths, size, images)
    sizes = Counter(finding.size for finding in findings if finding.size)
    usual = sizes.most_common(1)[0][0] if sizes else size
    problems = [
        f"{Path(path).relative_to(root)} {problem}"
        for path, finding in zip(paths, findings, strict=True)
        if (problem := finding.problem or _describe_size(finding.size, usual))
    ]
    if problems:
        raise DataError(
            f"{len(problems):,} of {len(paths):,} files in the image folder {root} cannot be "
            f"used: {name_some(problems)}; remove them or save them again as 8-bit RGB or grey "
            "JPEG or PNG of one size"
        )
    if grey_count := sum(finding.is_grey for finding in findings):
        say(f"{grey_count:,} of {len(paths):,} images are grey; widened to RGB")
    return images


def _describe_size(size: Size | None, usual: Size) -> str:
    width, height = size or usual
    return f"{width}×{height} pixels, not {usual[0]}×{usual[1]}" if size != usual else ""


def _find_size(paths: Sequence[str]) -> Size:
    """Returns the most frequent size of a few files from all over; all should have it."""
    sizes: Counter[Size] = Counter()
    for path in paths[:: max(1, len(paths) // _PROBES)]:
        with contextlib.suppress(_UnusableError), _open_image(path) as image:
            sizes[image.size] += 1
    return sizes.most_common(1)[0][0] if sizes else (1, 1)


def _allocate(count: int, size: Size) -> NDArray[np.uint8]:
    shape = (count, size[1], size[0], 3)
    try:
        return np.empty(shape, np.uint8)
    except MemoryError as error:
        raise DataError(
            f"{count:,} images of {size[0]}×{size[1]} pixels take "
            f"{np.prod(shape, dtype=float) / 1e9:,.1f} GB of memory, which is not available: "
            "make the images smaller or fewer"
        ) from error


def _decode_in_parallel(
    paths: Sequence[str], size: Size, images: NDArray[np.uint8]
) -> list[_Finding]:
    """Decodes all files into their places in `images`."""

    def decode_chunk(start: int) -> list[_Finding]:
        chunk = paths[start : start + _CHUNK]
        return [_decode(path, size, images[start + place]) for place, path in enumerate(chunk)]

    starts = range(0, len(paths), _CHUNK)
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        chunks = track(
            pool.map(decode_chunk, starts),
            "decoding images",
            total=len(starts),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        return [finding for chunk in chunks for finding in chunk]
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: str, size: Size, place: NDArray[np.uint8]) -> _Finding:
    try:
        with _open_image(path) as image:
            # An image of another size is reported by its size; its pixels are not needed.
            if image.size == size:
                pixels = np.asarray(image)
                place[:] = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
            return _Finding(image.size, is_grey=image.mode == "L")
    except _UnusableError as error:
        return _Finding(problem=str(error))


@contextlib.contextmanager
def _open_image(path: str) -> Iterator[Image.Image]:
    """Opens an image and checks its format and mode; no pixel is decoded yet."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(_PNG_DEPTH + 1)
            file.seek(0)
            with _plain_reasons(), Image.open(file, formats=("JPEG", "PNG")) as image:
                _check_mode(image, start)
                yield image
    except OSError as error:
        raise _UnusableError(f"cannot be read: {error.strerror or error}") from error


def _check_mode(image: Image.Image, start: bytes) -> None:
    if image.mode not in ("RGB", "L"):
        raise _UnusableError(f"has {_MODES.get(image.mode, image.mode)}, not 8-bit RGB or grey")
    if image.format == "PNG" and start[_PNG_DEPTH] > 8:
        # Pillow would drop the lower eight bits without a word.
        raise _UnusableError("has 16 bits per channel, not 8-bit RGB or grey")
    if "transparency" in image.info:
        raise _UnusableError("has a transparent colour, not 8-bit RGB or grey")


@contextlib.contextmanager
def _plain_reasons() -> Iterator[None]:
    """Turns what Pillow raises on files that are damaged or not images into a reason."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise _UnusableError("is not a JPEG or PNG image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _UnusableError("has far too many pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise _UnusableError(f"is damaged: {error}") from error

"""An image folder's pixels: decoded in parallel, each file checked, kept for the next time."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
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
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from rich.progress import track

from bnexp.console import VisibleConsole
from bnexp.data.array_cache import load_or_build
from bnexp.data.dataset import Dataset, LabelledImages, Say, data_home
from bnexp.data.image_folder.layout import ImageFolder, scan_image_folder
from bnexp.errors import DataError
from bnexp.wording import count, name_some

if TYPE_CHECKING:
    from numpy.typing import NDArray

Channels = Literal[1, 3, "auto"]
Size = tuple[int, int]
"""Width and height, as Pillow orders them."""

_CHUNK = 200
_PROBES = 20
_PNG_DEPTH = 24
"""Where a PNG file says how many bits a channel has."""
_ORIENTATION = 0x0112
"""The EXIF tag that says how viewers turn a picture."""
_SRGB_GAMMA = 1 / 2.2
"""The gamma of a PNG file whose numbers viewers show as they are."""
_TOLERANCE = 0.01
"""How far another gamma may be from that: it changes a pixel by about 2 of 255."""
_EQUIVALENTS = {"1": "L", "P": "RGB", "LA": "L", "RGBA": "RGB", "PA": "RGB"}
"""Modes that mean the same as 8-bit grey or RGB, if no pixel is transparent."""
_DEEP = ("I", "I;16")


_RULES = 2
"""Raised whenever the same file is decoded to other pixels: what was kept of it is not used."""


def load_image_folder(
    root: Path, say: Say, image_size: Size | None = None, channels: Channels = 3
) -> Dataset:
    """Returns the images below `root`, from the cache if the folder has not changed.

    They are uint8 `(N, H, W, C)`, class by class, sorted by name. They are resized to
    `image_size`, or must have one size if that is None. With one channel, colours become grey;
    with three, grey is widened; `auto` is one if all are grey. Colour profiles are applied.

    Calls for the same unchanged folder share one read-only dataset in a process.

    Raises:
        DataError: The folder is not laid out as it should be, or files in it cannot be used.
    """
    folder = scan_image_folder(root)
    home = data_home().absolute() / "image_folder"
    choices = repr((_RULES, image_size, channels)).encode()
    place = hashlib.sha256(os.fsencode(folder.root) + b"\0" + choices).hexdigest()[:16]
    path = home / f"{place}-{folder.fingerprint[:16]}.npz"

    def build() -> Dataset:
        say(f"decoding {len(folder.paths):,} images in {folder.root}, to be kept in {path}")
        images = _decode_all(folder, say, image_size, channels)
        parts = {}
        for split, listing in folder.listings.items():
            labels = np.repeat(np.arange(len(listing), dtype=np.int64), [*map(len, listing)])
            parts[split] = LabelledImages(images[: len(labels)], labels)
            images = images[len(labels) :]
        return Dataset("image_folder", class_names=folder.class_names, **parts)

    dataset = load_or_build(path, "image_folder", build, say)
    # The same folder before its last change is not loaded again.
    for old in set(home.glob(f"{place}-*.npz")) - {path}:
        with contextlib.suppress(OSError):
            old.unlink()
    return dataset


def decode_pictures(
    paths: Sequence[Path], image_shape: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], int]:
    """Returns pictures as uint8 `(N, H, W, C)`, and how many of them were resized to that shape.

    Raises:
        DataError: Files cannot be used; it names them.
    """
    height, width, channels = image_shape
    names = [str(path) for path in paths]
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        images = _allocate(len(paths), (width, height), channels)
        findings = _decode_in_parallel(names, (width, height), images, is_resized=True)
        resized = sum(_has_other_size(name, (width, height)) for name in names)
    problems = [
        f"{path} {finding.problem}"
        for path, finding in zip(paths, findings, strict=True)
        if finding.problem
    ]
    if problems:
        is_read = any(finding.problem and not finding.is_unreadable for finding in findings)
        remedy = "; save them again as 8-bit RGB or grey JPEG or PNG" if is_read else ""
        raise DataError(
            f"{len(problems):,} of {count(len(paths), 'picture')} cannot be used: "
            f"{name_some(problems)}{remedy}"
        )
    return images, resized


def _has_other_size(path: str, size: Size) -> bool:
    with contextlib.suppress(_UnusableError), _open_image(path) as image:
        return _upright_size(image) != size
    return False


class _UnusableError(Exception):
    """An image file cannot be used; the message is the reason."""


class _UnreadableError(_UnusableError):
    """The disk does not give an image file's content."""


@dataclass(frozen=True)
class _Finding:
    """What decoding a file found."""

    size: Size | None = None
    problem: str = ""
    is_unreadable: bool = False
    is_grey: bool = False


def _decode_all(
    folder: ImageFolder, say: Say, image_size: Size | None, channels: Channels
) -> NDArray[np.uint8]:
    """Returns the images of all files, in the order of their paths."""
    paths = folder.paths
    with warnings.catch_warnings():
        # Pillow only warns of images between its limit and twice its limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        size = image_size or _find_size(paths)
        images = _allocate(len(paths), size, 1 if channels == 1 else 3)
        findings = _decode_in_parallel(paths, size, images, is_resized=image_size is not None)
    sizes = Counter(finding.size for finding in findings if finding.size)
    usual = sizes.most_common(1)[0][0] if sizes else size
    problems = [
        f"{Path(path).relative_to(folder.root)} {problem}"
        for path, finding in zip(paths, findings, strict=True)
        if (problem := finding.problem or _describe_size(finding.size, usual))
    ]
    if problems:
        raise DataError(
            f"{len(problems):,} of {len(paths):,} files in the image folder {folder.root} cannot "
            f"be used: {name_some(problems)}; remove them or save them again as 8-bit RGB or grey "
            "JPEG or PNG of one size (data.image_size: [W, H] resizes those of another)"
        )
    grey_count = sum(finding.is_grey for finding in findings)
    if channels == "auto" and grey_count == len(paths):
        return np.ascontiguousarray(images[..., :1])
    if channels == 1 and grey_count < len(paths):
        colourful = f"{len(paths) - grey_count:,} of {len(paths):,} images"
        say(f"{colourful} have colours; made grey as 0.299 R + 0.587 G + 0.114 B")
    elif channels != 1 and grey_count:
        greys = f"{grey_count:,} of {len(paths):,} images"
        say(f"{greys} are grey; as RGB, their three channels are equal")
    return images


def _describe_size(size: Size | None, usual: Size) -> str:
    width, height = size or usual
    return f"{width}×{height} pixels, not {usual[0]}×{usual[1]}" if size != usual else ""


def _find_size(paths: Sequence[str]) -> Size:
    """Returns the most frequent size of a few files from all over; all should have it."""
    sizes: Counter[Size] = Counter()
    for path in paths[:: max(1, len(paths) // _PROBES)]:
        with contextlib.suppress(_UnusableError), _open_image(path) as image:
            sizes[_upright_size(image)] += 1
    return sizes.most_common(1)[0][0] if sizes else (1, 1)


def _allocate(count: int, size: Size, channels: int) -> NDArray[np.uint8]:
    shape = (count, size[1], size[0], channels)
    try:
        return np.empty(shape, np.uint8)
    except MemoryError as error:
        raise DataError(
            f"{count:,} images of {size[0]}×{size[1]} pixels take "
            f"{np.prod(shape, dtype=float) / 1e9:,.1f} GB of memory, which is not available: "
            "make the images smaller or fewer"
        ) from error


def _decode_in_parallel(
    paths: Sequence[str], size: Size, images: NDArray[np.uint8], is_resized: bool
) -> list[_Finding]:
    """Decodes all files into their places in `images`."""

    def decode_chunk(start: int) -> list[_Finding]:
        chunk = paths[start : start + _CHUNK]
        return [
            _decode(path, size, images[place], is_resized)
            for place, path in enumerate(chunk, start)
        ]

    starts = range(0, len(paths), _CHUNK)
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        chunks = track(
            pool.map(decode_chunk, starts),
            "decoding images",
            total=len(starts),
            console=VisibleConsole(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        return [finding for chunk in chunks for finding in chunk]
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: str, size: Size, place: NDArray[np.uint8], is_resized: bool) -> _Finding:
    try:
        with _open_image(path) as image:
            # An image of another size is reported by its size; its pixels are not needed.
            if not is_resized and set(image.size) != set(size):
                return _Finding(_upright_size(image))
            image.load()  # a PNG may say only at its end how it is turned
            picture = _convert(ImageOps.exif_transpose(image) or image)
            is_grey = _is_grey(picture)
            if is_resized and picture.size != size:
                picture = picture.resize(size, Image.Resampling.BILINEAR)
            if picture.size == size:
                if place.shape[2] == 1:
                    picture = picture.convert("L")
                place[:] = np.asarray(picture).reshape(size[1], size[0], -1)
            return _Finding(picture.size, is_grey=is_grey)
    except _UnusableError as error:
        return _Finding(problem=str(error), is_unreadable=isinstance(error, _UnreadableError))


def _upright_size(image: Image.Image) -> Size:
    """Returns the size as viewers show the image, as far as that is known before it is decoded."""
    is_known = image.format != "PNG" or "exif" in image.info
    is_turned = is_known and image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if is_turned else image.size


def _is_grey(image: Image.Image) -> bool:
    """Whether no pixel has a colour, whether the image is stored as grey or as RGB."""
    pixels = np.asarray(image)
    return pixels.ndim == 2 or bool((pixels == pixels[..., :1]).all())


def _convert(image: Image.Image) -> Image.Image:
    """Returns the image as sRGB or, if it is stored as grey, as grey (L).

    Raises:
        _UnusableError: A pixel is transparent, or the colour profile cannot be used.
    """
    has_alpha = image.mode in ("LA", "RGBA", "PA")
    if has_alpha or "transparency" in image.info:
        opaque = image if has_alpha else image.convert("RGBA")
        if opaque.getchannel("A").getextrema() != (255, 255):
            raise _UnusableError("has transparent pixels, not 8-bit RGB or grey")
        image = opaque if image.mode == "P" else image
    mode = _EQUIVALENTS.get(image.mode, image.mode)
    converted = image if mode == image.mode else image.convert(mode)
    return _apply_profile(converted, image.info.get("icc_profile"))


def _apply_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Returns the image in sRGB, as viewers show it, if it has a profile of other colours.

    Raises:
        _UnusableError: The profile cannot be used.
    """
    if not profile:
        return image
    try:
        transform = _build_transform(profile, image.mode)
    except ImageCms.PyCMSError as error:
        raise _UnusableError(f"has a colour profile that cannot be used ({error})") from error
    if transform is None:
        return image
    shown = ImageCms.applyTransform(image, transform)
    assert shown is not None  # only a transform in place returns nothing
    return shown.convert(image.mode)


@functools.lru_cache(maxsize=64)
def _build_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Returns the transform from a profile to sRGB; None if it is that of sRGB itself."""
    source = ImageCms.getOpenProfile(io.BytesIO(profile))
    if "sRGB" in ImageCms.getProfileDescription(source):
        return None
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


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
        raise _UnreadableError(f"cannot be read: {error.strerror or error}") from error


def _check_mode(image: Image.Image, start: bytes) -> None:
    is_png = image.format == "PNG"
    # Pillow would drop the lower eight bits of RGB without a word.
    if image.mode in _DEEP or (is_png and start[_PNG_DEPTH] > 8):
        raise _UnusableError("has 16 bits per channel, not 8-bit RGB or grey")
    if image.mode not in ("RGB", "L", *_EQUIVALENTS):
        raise _UnusableError(f"has {image.mode}, not 8-bit RGB or grey")
    gamma = image.info.get("gamma", _SRGB_GAMMA)
    has_profile = "srgb" in image.info or "icc_profile" in image.info  # these overrule gamma
    if not has_profile and abs(gamma - _SRGB_GAMMA) > _TOLERANCE:
        raise _UnusableError(f"has the gamma {gamma:g}, not {_SRGB_GAMMA:.2f} of sRGB")
    frames = getattr(image, "n_frames", 1) if is_png else 1
    if frames > 1:
        raise _UnusableError(f"is an animation of {frames} pictures")


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

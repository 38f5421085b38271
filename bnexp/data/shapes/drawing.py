"""The pictures of the `shapes` dataset: textured figures, drawn with NumPy from a fixed seed.

A class is a figure and its texture. Whatever else differs between two pictures is drawn from
one distribution for all classes: place, size, turn, colours, the ground and its pattern, a thin
bar across the picture, contrast, brightness and noise. All figures have the same area at the
same size, and both textures show their two colours in equal shares, so that colour does not
tell the class.

Pixels are sums, products, quotients, square roots and comparisons of float32 numbers, which
IEEE 754 defines to the last bit, so that every machine draws the same bytes. Sine and cosine
are not, and are rounded from float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.seeding import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


SIDE = 32
"""Height and width of a picture, in pixels."""

_SEED = 20150211
_BLOCK_SIZE = 100  # images drawn at once: their planes stay in a core's cache


@dataclass(frozen=True)
class Pose:
    """Where N figures or patterns lie; every field is float32 `(N, 1, 1)`."""

    x: Floats
    """Centre, in pixels from the left edge."""
    y: Floats
    """Centre, in pixels from the top edge."""
    size: Floats
    """Unit of length of the own axes, in pixels."""
    cosine: Floats
    """Cosine of the angle from the picture's axes to the own axes."""
    sine: Floats
    """Sine of that angle."""

    def coordinates(self) -> tuple[Floats, Floats]:
        """Returns the pixel centres' `u` and `v` `(N, 32, 32)` on the own axes, in sizes."""
        centres = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
        across = centres[None, None, :] - self.x
        down = centres[None, :, None] - self.y
        cosine, sine = self.cosine / self.size, self.sine / self.size
        return across * cosine + down * sine, down * cosine - across * sine


def _disc(u: Floats, v: Floats) -> Floats:
    return np.sqrt(u * u + v * v) - np.float32(math.sqrt(1 / math.pi))


def _square(u: Floats, v: Floats) -> Floats:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.5)


def _triangle(u: Floats, v: Floats) -> Floats:
    inradius = np.float32(math.sqrt(1 / math.sqrt(27)))  # of the equilateral triangle of area 1
    return np.maximum(v, np.abs(u) * np.float32(math.sqrt(0.75)) - v * np.float32(0.5)) - inradius


def _cross(u: Floats, v: Floats) -> Floats:
    reach = np.float32(
        math.sqrt(9 / 20)
    )  # from the centre to an arm's end; arms are 2/3 reach wide
    a, b = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(a, b) - reach, np.minimum(a, b) - reach / np.float32(3))


def _ring(u: Floats, v: Floats) -> Floats:
    radius = np.float32(math.sqrt(4 / (3 * math.pi)))  # outer; the hole's is half of it
    return np.abs(np.sqrt(u * u + v * v) - 0.75 * radius) - 0.25 * radius


FIGURES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "ring": _ring,
}
"""Signed distances to the edge of figures of area 1: below 0 inside, above 0 outside.

Outside and near a corner the value is less than the true distance; its sign is right.
"""


def _share_inside(distance: Floats) -> Floats:
    """Returns how much of a pixel lies inside an edge at this signed distance in pixels."""
    share: Floats = np.clip(np.float32(0.5) - distance, 0, 1)
    return share


def _wave(position: Floats, size: Floats) -> Floats:
    """Returns a square wave of period 1 in [-1, 1] whose edges are one pixel wide."""
    turns = position - np.floor(position)
    to_edge = (np.float32(0.25) - np.abs(turns - np.float32(0.5))) * size
    return _share_inside(to_edge) * np.float32(2) - np.float32(1)


def _striped(u: Floats, v: Floats, size: Floats) -> Floats:
    return _wave(u, size)


def _checked(u: Floats, v: Floats, size: Floats) -> Floats:
    return _wave(u, size) * _wave(v, size)


TEXTURES: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "striped": _striped,
    "checked": _checked,
}
"""Patterns of period 1 with mean 0: 1 where the first colour stands, -1 where the second does."""

CLASS_NAMES = tuple(f"{texture} {figure}" for figure in FIGURES for texture in TEXTURES)


def coverage(figure: str, pose: Pose) -> Floats:
    """Returns the share of each pixel `(N, 32, 32)` that the figure covers, in [0, 1]."""
    return _share_inside(FIGURES[figure](*pose.coordinates()) * pose.size)


def first_colour_share(texture: str, pose: Pose) -> Floats:
    """Returns the share of each pixel `(N, 32, 32)` that the first colour has, in [0, 1]."""
    wave = TEXTURES[texture](*pose.coordinates(), pose.size)
    return wave * np.float32(0.5) + np.float32(0.5)


@cache
def draw_shapes(train_count: int, test_count: int) -> Dataset:
    """Draws the dataset once per process; its arrays are read-only, as all callers share them.

    Both counts are multiples of 1,000. Training and test images come from independent streams
    of random numbers.
    """
    train, test = _draw_split("train", train_count), _draw_split("test", test_count)
    return Dataset("shapes", train, test, CLASS_NAMES)


def _draw_split(split: str, count: int) -> LabelledImages:
    """Draws an equal number of images of each class, in shuffled order."""
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    labels = np.empty(count, np.int64)
    order = np.argsort(_bits(split, "order").random_raw(count), kind="stable")
    for start in range(0, count, _BLOCK_SIZE):
        places = order[start : start + _BLOCK_SIZE]
        label = start * len(CLASS_NAMES) // count
        labels[places] = label
        images[places] = _draw_block(_bits(split, start), CLASS_NAMES[label], _BLOCK_SIZE)
    images.setflags(write=False)
    labels.setflags(write=False)
    return LabelledImages(images, labels)


def _bits(*purpose: str | int) -> np.random.PCG64:
    # Raw bits, as no release of NumPy changes them; it may change what Generator makes of them.
    return np.random.PCG64(derive_seed(_SEED, *purpose))


def _draw_block(bits: np.random.PCG64, class_name: str, count: int) -> NDArray[np.uint8]:
    """Draws `count` pictures `(count, 32, 32, 3)` of one class."""
    texture, figure = class_name.split()
    figure_share = coverage(figure, _random_pose(bits, count, size=(15, 20), margin=12))
    first_share = first_colour_share(texture, _random_pose(bits, count, size=(6, 9)))
    ground_share = _random_ground(bits, count)
    bar_share = _random_bar(bits, count)
    colours = _random_colours(bits, count)
    noise = _random_noise(bits, count)
    picture = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for channel in range(3):
        first, second, ground, ground_second, bar = colours[:, channel]
        plane = _mix(ground_share, ground_second, ground)
        plane = _mix(figure_share, _mix(first_share, first, second), plane)
        plane = _mix(bar_share, bar, plane) + noise[channel]
        picture[..., channel] = np.clip(plane, 0, 1) * 255 + 0.5
    return picture


def _mix(share: Floats, over: Floats, under: Floats) -> Floats:
    return under + share * (over - under)


def _uniform(bits: np.random.PCG64, shape: tuple[int, ...], low: float, high: float) -> Floats:
    """Returns numbers in [low, high), of the 24 bits that a float32 holds exactly."""
    steps = (bits.random_raw(shape) >> np.uint64(40)).astype(np.float32)
    return steps * np.float32((high - low) * 2**-24) + np.float32(low)


def _random_pose(
    bits: np.random.PCG64, count: int, size: tuple[float, float], margin: float = 0
) -> Pose:
    """Draws any angle, a size in the range `size`, a centre `margin` pixels inside the edges."""
    shape = (count, 1, 1)
    angle = _uniform(bits, shape, 0, 2 * math.pi).astype(np.float64)
    return Pose(
        x=_uniform(bits, shape, margin, SIDE - margin),
        y=_uniform(bits, shape, margin, SIDE - margin),
        size=_uniform(bits, shape, *size),
        cosine=np.cos(angle).astype(np.float32),
        sine=np.sin(angle).astype(np.float32),
    )


def _random_ground(bits: np.random.PCG64, count: int) -> Floats:
    """Returns the second ground colour's share: a ramp with faint stripes or checks on it."""
    pattern = _random_pose(bits, count, size=(4.5, 12))
    u, v = pattern.coordinates()
    is_striped = _uniform(bits, (count, 1, 1), 0, 1) < np.float32(0.5)
    lines = np.where(is_striped, np.float32(1), _wave(v, pattern.size))
    ramp, _ = _random_pose(bits, count, size=(40, 60)).coordinates()
    strength = _uniform(bits, (count, 1, 1), 0, 0.5)
    return _mix(strength, lines * _wave(u, pattern.size), ramp) * np.float32(0.5) + np.float32(0.5)


def _random_bar(bits: np.random.PCG64, count: int) -> Floats:
    """Returns the share of each pixel that a straight bar across the picture covers."""
    bar = _random_pose(bits, count, size=(0.5, 2.5), margin=4)
    u, _ = bar.coordinates()
    return _share_inside((np.abs(u) - np.float32(0.5)) * bar.size)


def _random_colours(bits: np.random.PCG64, count: int) -> Floats:
    """Returns the colours `(5, 3, count, 1, 1)` of the figure (2), the ground (2) and the bar.

    The figure's two hues and the ground's lie about a third of the colour circle apart, and the
    figure's are the more saturated, so that it can be seen on its ground.
    """

    def draw(number: int, low: float, high: float) -> Floats:
        return _uniform(bits, (number, 1, count, 1, 1), low, high)

    def column(*values: float) -> Floats:
        return np.array(values, np.float32).reshape(-1, 1, 1, 1, 1)

    hue = draw(1, 0, 1) + column(0, 1 / 3, 2 / 3, 2 / 3, 0) + draw(5, -0.125, 0.125)
    saturation = column(0.35, 0.35, 0.15, 0.15, 0.15) + draw(5, 0, 0.5)
    value = draw(5, 0.35, 1)
    turns = hue + column(0, 2 / 3, 1 / 3).swapaxes(0, 1)  # of red, green and blue
    turns -= np.floor(turns)
    pure = np.clip(np.abs(turns * np.float32(6) - np.float32(3)) - np.float32(1), 0, 1)
    contrast, grey = draw(1, 0.5, 1), draw(1, 0.2, 0.8)
    return _mix(contrast, value * (1 - saturation * (1 - pure)), grey)


def _random_noise(bits: np.random.PCG64, count: int) -> Floats:
    """Returns noise `(3, count, 32, 32)` of mean 0; its strength differs between pictures."""
    shape = (2, 3, count, SIDE, SIDE)
    uniform = bits.random_raw(math.prod(shape) // 8).astype("<u8").view(np.uint8).reshape(shape)
    deviation = math.sqrt((256**2 - 1) / 6)  # of the difference of two uniform bytes
    strength = _uniform(bits, (count, 1, 1), 0, 0.06) / np.float32(deviation)
    noise: Floats = uniform[0].astype(np.float32) - uniform[1]
    return noise * strength

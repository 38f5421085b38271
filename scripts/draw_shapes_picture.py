"""Draws docs/images/shapes.png: the first test images of each class of the `shapes` dataset.

Run it from anywhere: `python scripts/draw_shapes_picture.py`.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from bnexp.data.dataset import Dataset
from bnexp.data.shapes.config import ShapesConfig

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "shapes.png"
COLUMNS = 12
GAP = 2  # pixels between two images
ZOOM = 2  # a whole number, so that every pixel of an image becomes a square
LABEL_WIDTH = 150
DPI = 100


def build_sheet(dataset: Dataset) -> NDArray[np.uint8]:
    """Returns one row of images per class, on white, as one image `(H, W, 3)`."""
    height, width, _ = dataset.image_shape
    rows = len(dataset.class_names)
    sheet = np.full((rows * (height + GAP), COLUMNS * (width + GAP), 3), 255, np.uint8)
    for row in range(rows):
        chosen = np.flatnonzero(dataset.test.labels == row)[:COLUMNS]
        for column, index in enumerate(chosen):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = dataset.test.images[index]
    return sheet


def draw_figure(dataset: Dataset) -> Figure:
    """Returns the enlarged sheet with the class names on its left."""
    sheet = build_sheet(dataset)
    height, width = sheet.shape[0] * ZOOM, sheet.shape[1] * ZOOM
    figure = Figure(figsize=((LABEL_WIDTH + width) / DPI, height / DPI), dpi=DPI)
    left = LABEL_WIDTH / (LABEL_WIDTH + width)
    axes = figure.add_axes((left, 0, 1 - left, 1))
    axes.imshow(sheet, interpolation="nearest", aspect="auto")
    pitch = sheet.shape[0] / len(dataset.class_names)
    axes.set_yticks((np.arange(len(dataset.class_names)) + 0.5) * pitch, dataset.class_names)
    axes.set_xticks([])
    axes.tick_params(length=0, labelsize=11)
    axes.spines[:].set_visible(False)
    return figure


def main() -> None:
    """Writes the picture with 256 colours, which keeps it under 200 kB despite the noise."""
    buffer = io.BytesIO()
    draw_figure(ShapesConfig().load(print)).savefig(buffer, format="png")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(buffer).convert("RGB").quantize(256, kmeans=5, dither=Image.Dither.NONE)
    picture.save(TARGET, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

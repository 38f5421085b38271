"""What a network says of each image, kept while it is evaluated: its most likely classes."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bnexp.data.dataset import Dataset
from bnexp.runs.measured.predictions import LONGEST_SIDE, MOST_CLASSES, Predictions
from bnexp.training.setup import find_evaluation_order

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Answers:
    """Collects the likeliest classes of images in the order of their evaluation, on the device."""

    def __init__(self) -> None:
        self._classes: list[Tensor] = []
        self._probabilities: list[Tensor] = []

    def add(self, logits: Tensor) -> None:
        """Adds a batch's logits `(B, num_classes)`."""
        # The class that the accuracy counts comes first, whatever others are as likely.
        taken = logits.argmax(1, keepdim=True)
        order = logits.scatter(1, taken, inf).sort(dim=1, descending=True, stable=True).indices
        chosen = order[:, :MOST_CLASSES]
        self._classes.append(chosen)
        self._probabilities.append(logits.softmax(1).gather(1, chosen))

    def to_predictions(self, dataset: Dataset, most_mistakes: int) -> Predictions:
        """Returns the answers in the order of the dataset's test images, which they are of.

        Of the mistakes, the `most_mistakes` of which the network was surest come with their
        pictures.
        """
        test, known = dataset.test, len(dataset.class_names)
        order = np.argsort(find_evaluation_order(len(test)))
        classes = torch.cat(self._classes).cpu().numpy()[order]
        probabilities = torch.cat(self._probabilities).cpu().numpy()[order]
        wrong = np.flatnonzero(classes[:, 0] != test.labels)
        surest = np.argsort(-probabilities[wrong, 0], kind="stable")[:most_mistakes]
        small = np.min_scalar_type(known - 1)
        return Predictions(
            class_names=dataset.class_names,
            labels=test.labels.astype(small),
            classes=classes.astype(small),
            probabilities=probabilities.astype(np.float16),
            mistakes=wrong[surest].astype(np.int32),
            pictures=shrink(test.images[wrong[surest]]),
        )


def shrink(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns images `(N, H, W, C)` whose longer side has at most `LONGEST_SIDE` pixels.

    Each pixel is the mean of a square of them; what is left at the right and below is cut off.
    """
    number, height, width, channels = images.shape
    size = ceil(max(height, width) / LONGEST_SIDE)
    if size == 1:
        return images
    rows, columns = max(1, height // size), max(1, width // size)
    cut = images[:, : rows * size, : columns * size]
    tall, wide = cut.shape[1] // rows, cut.shape[2] // columns
    squares = cut.reshape(number, rows, tall, columns, wide, channels)
    means: NDArray[np.uint8] = squares.mean((2, 4)).round().astype(np.uint8)
    return means

"""What TensorBoard shows once per run: its first batch and, if asked for, its network."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image as PillowImage

from bnexp.data.batches import TrainingBatches
from bnexp.foreign_text import escape_markdown
from bnexp.launch.run.network_graph import trace_network
from bnexp.launch.run.recorder import RunRecorder
from bnexp.runs.streams.tensorboard_events import Image
from bnexp.training.setup import TrainingParts

SAMPLES_TAG = "samples/train_augmented"
_COLUMNS = 8
_ROWS = 4
_LEAST_SIDE = 96
"""Pixels that the side of a picture has at least once it is enlarged."""
_WIDEST = 1024
_GAP = 2


def show_first_look(
    recorder: RunRecorder, parts: TrainingParts, class_names: Sequence[str], with_graph: bool
) -> None:
    """Writes the first batch's pictures and, if `with_graph`, the network's graph.

    Training is not affected. What cannot be drawn causes a warning, never an error.
    """
    with _warning_if_it_fails(recorder, "the first batch"):
        recorder.show_image(SAMPLES_TAG, *draw_first_batch(parts.batches, class_names))
    if with_graph:
        with _warning_if_it_fails(recorder, "the network's graph"):
            inputs, _ = next(parts.plain_training_images.batches(2))
            recorder.show_graph(trace_network(parts.learner.model, inputs))


@contextlib.contextmanager
def _warning_if_it_fails(recorder: RunRecorder, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a drawing must not end a run, whatever it meets
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        recorder.say(f"warning: {what} cannot be drawn for TensorBoard: {reason}")


def draw_first_batch(batches: TrainingBatches, class_names: Sequence[str]) -> tuple[Image, str]:
    """Returns up to 32 pictures of the first batch, and which class each of them has.

    They are augmented and turned back from normalised values to pixels, enlarged without
    smoothing, in rows, in the batch's order. A function of seed and data alone, so cells
    with equal data get equal pictures; no random state is touched.

    Raises:
        ValueError: The images are neither grey nor RGB.
    """
    inputs, targets = next(batches.epoch(0))
    side = max(inputs.shape[2:])
    factor = -(-_LEAST_SIDE // side)
    columns = max(1, min(_COLUMNS, _WIDEST // (side * factor)))
    shown = min(len(inputs), columns * _ROWS)
    pixels = batches.restore(inputs[:shown]).cpu().numpy()
    if pixels.shape[3] not in (1, 3):
        raise ValueError(f"images of {pixels.shape[3]} channels are neither grey nor RGB")
    names = [class_names[index] for index in targets[:shown].tolist()]
    return _encode(_arrange(pixels, columns, factor)), _describe(names, columns)


def _arrange(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], columns: int, factor: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Returns one picture `(H, W, C)`: row by row, with white between."""
    large = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    rows = -(-len(large) // columns)
    empty = rows * columns - len(large)
    margins = ((0, empty), (0, _GAP), (0, _GAP), (0, 0))
    tiles = np.pad(large, margins, constant_values=255)
    grid = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    sheet = grid.reshape(rows * tiles.shape[1], columns * tiles.shape[2], -1)
    return sheet[:-_GAP, :-_GAP]


def _encode(sheet: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image:
    file = io.BytesIO()
    grey = sheet.shape[2] == 1
    picture = PillowImage.fromarray(sheet[:, :, 0] if grey else sheet)
    # Of enlarged pixels the lowest level makes as small a file, in half the time.
    picture.save(file, format="PNG", compress_level=1)
    return Image(file.getvalue())


def _describe(names: Sequence[str], columns: int) -> str:
    rows = [names[start : start + columns] for start in range(0, len(names), columns)]
    lines = (
        f"- row {number}: {', '.join(map(escape_markdown, row))}"
        for number, row in enumerate(rows, start=1)
    )
    return "The first training batch, augmented, in its order.\n\n" + "\n".join(lines)

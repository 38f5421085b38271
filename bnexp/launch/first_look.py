"""Puts into TensorBoard, once a run, what goes into the network, and on request the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bnexp.launch.recorder import RunRecorder
from bnexp.training.network_graph import trace_network
from bnexp.training.sample_images import draw_first_batch
from bnexp.training.setup import TrainingParts

SAMPLES_TAG = "samples/train_augmented"


def show_first_look(
    recorder: RunRecorder, parts: TrainingParts, class_names: Sequence[str], with_graph: bool
) -> None:
    """Writes the first batch's pictures, and the network's graph where it is wanted.

    The training is not touched. What cannot be drawn is warned of, never raised.
    """

    def show_samples() -> None:
        image, description = draw_first_batch(parts.batches, class_names)
        recorder.show_image(SAMPLES_TAG, image, description)

    def show_graph() -> None:
        inputs, _ = next(parts.plain_training_images.batches(2))
        recorder.show_graph(trace_network(parts.learner.model, inputs))

    _try(recorder, "the first batch", show_samples)
    if with_graph:
        _try(recorder, "the network's graph", show_graph)


def _try(recorder: RunRecorder, what: str, show: Callable[[], None]) -> None:
    try:
        show()
    except Exception as error:  # noqa: BLE001 - a drawing must not end a run, whatever it meets
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        recorder.say(f"warning: {what} cannot be drawn for TensorBoard: {reason}")

"""What is drawn at a run's start must never end the run."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from bnexp.data.batches import ChannelStatistics, ResidentImages, TrainingBatches
from bnexp.data.dataset import LabelledImages
from bnexp.data.shapes.config import ShapesConfig
from bnexp.launch.run.first_look import show_first_look


class Recorder:
    """Keeps what is shown and said."""

    def __init__(self):
        self.shown, self.said = [], []

    def show_image(self, tag, image, description):
        self.shown.append(tag)

    def show_graph(self, nodes):
        self.shown.append("graph")

    def say(self, line):
        self.said.append(line)


class Fickle(nn.Module):
    """A network whose operations depend on its values, which cannot be traced."""

    def forward(self, inputs):
        return inputs if inputs.sum() > 0 else -inputs


def look(*, channels=3, model=None, with_graph=False):
    images = LabelledImages(np.zeros((8, 6, 6, channels), np.uint8), np.zeros(8, np.int64))
    statistics, device = ChannelStatistics.of(images), torch.device("cpu")
    config = ShapesConfig(batch_size=4)
    parts = SimpleNamespace(
        learner=SimpleNamespace(model=model or nn.Flatten()),
        batches=TrainingBatches(images, statistics, config, 0, device),
        plain_training_images=ResidentImages(images, statistics, device),
    )
    recorder = Recorder()
    show_first_look(recorder, parts, ["a"], with_graph)
    return recorder


def test_samples_are_shown_and_the_graph_only_on_request():
    assert look().shown == ["samples/train_augmented"]
    assert look(with_graph=True).shown == ["samples/train_augmented", "graph"]


def test_images_that_cannot_be_drawn_are_warned_of():
    recorder = look(channels=4, with_graph=True)

    assert recorder.shown == ["graph"]
    (warning,) = recorder.said
    assert warning.startswith("warning: the first batch cannot be drawn for TensorBoard: ")


def test_a_network_that_cannot_be_traced_is_warned_of_in_one_line():
    recorder = look(model=Fickle(), with_graph=True)

    assert recorder.shown == ["samples/train_augmented"]
    (warning,) = recorder.said
    assert warning.startswith("warning: the network's graph cannot be drawn for TensorBoard: ")
    assert "\n" not in warning

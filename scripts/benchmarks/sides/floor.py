"""The floor: forward, backward and update of the same network, and the same evaluations.

Plain PyTorch, written out: nothing of bnexp's training is called, so that bnexp cannot lower it.
All batches, augmented, lie ready in memory before the clock starts, in the layout in which a few
steps were faster; there are no metrics of training, no files, no checks.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.networks import BATCH_SIZE, Network, build_optimizer, initialize, spare_memory
from benchmarks.pictures import Pictures
from benchmarks.sides.outcome import Outcome, Run, Side
from bnexp.data.dataset import LabelledImages

Batches = Sequence[tuple[Tensor, Tensor]]
PADDING = 4
STEPS_TO_CHOOSE = 7
"""In each layout, to find the faster one."""


def floor_side(network: Network, pictures: Pictures, precision: str) -> Side:
    """Returns the floor at a precision."""

    def prepare(seed: int) -> Run:
        torch.manual_seed(seed)
        in_memory = partial(cut, memory_format=find_format(network, precision))
        epochs = [in_memory(*draw_epoch(pictures)) for _ in range(network.epochs)]
        tests = in_memory(normalize(pictures, pictures.test), pictures.test.labels)
        count = min(len(pictures.train), len(pictures.test))
        plain = pictures.train.subset(torch.randperm(len(pictures.train))[:count].numpy())
        plain_batches = in_memory(normalize(pictures, plain), plain.labels)
        return lambda: train_floor(network, epochs, tests, plain_batches, precision)

    return prepare


def normalize(pictures: Pictures, images: LabelledImages) -> Tensor:
    """Returns pictures as `(N, C, H, W)` in channels-last memory, of mean 0 and deviation 1."""
    mean, std = (torch.tensor(one) for one in (pictures.statistics.mean, pictures.statistics.std))
    scaled = (torch.from_numpy(images.images.copy()) / 255 - mean) / std
    return scaled.permute(0, 3, 1, 2)


def draw_epoch(pictures: Pictures) -> tuple[Tensor, Sequence[int]]:
    """Returns the pictures of an epoch: shuffled, cut after padding with black, and mirrored."""
    images = pictures.train.subset(torch.randperm(len(pictures.train)).numpy())
    black = -torch.tensor(pictures.statistics.mean) / torch.tensor(pictures.statistics.std)
    inputs = normalize(pictures, images)
    height, width = inputs.shape[2:]
    padded = black.expand(len(images), height + 2 * PADDING, width + 2 * PADDING, 3).clone()
    padded[:, PADDING:-PADDING, PADDING:-PADDING] = inputs.permute(0, 2, 3, 1)
    tops, lefts = torch.randint(2 * PADDING + 1, (2, len(images))).tolist()
    for place, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        cropped = padded[place, top : top + height, left : left + width]
        inputs[place] = cropped.permute(2, 0, 1)
    is_mirrored = torch.rand(len(images)) < 0.5
    inputs[is_mirrored] = inputs[is_mirrored].flip(3)
    return inputs, images.labels


def cut(inputs: Tensor, labels: Sequence[int], memory_format: torch.memory_format) -> Batches:
    """Returns batches, each in memory of its own."""
    targets = torch.as_tensor(labels)
    parts = zip(inputs.split(BATCH_SIZE), targets.split(BATCH_SIZE), strict=True)
    return [(one.clone(memory_format=memory_format), two.clone()) for one, two in parts]


@functools.cache
def find_format(network: Network, precision: str) -> torch.memory_format:
    """Returns the layout in memory in which the network is faster on this machine."""
    layouts = (torch.channels_last, torch.contiguous_format)
    inputs, targets = torch.randn(BATCH_SIZE, 3, 32, 32), torch.arange(BATCH_SIZE) % 10
    seconds: dict[torch.memory_format, list[float]] = {layout: [] for layout in layouts}
    trainers = {layout: FloorTrainer(network, layout, precision) for layout in layouts}
    for _ in range(STEPS_TO_CHOOSE):
        for layout, trainer in trainers.items():
            started = time.perf_counter()
            trainer.step(inputs.contiguous(memory_format=layout), targets)
            seconds[layout].append(time.perf_counter() - started)
    return min(layouts, key=lambda layout: statistics.median(seconds[layout]))


class FloorTrainer:
    """The network with its optimiser, and a step of both."""

    def __init__(
        self, network: Network, memory_format: torch.memory_format, precision: str
    ) -> None:
        model = spare_memory(initialize(network.build()))
        self.model = model.to(memory_format=memory_format)  # type: ignore[call-overload]
        self.optimizer = build_optimizer(model, network.learning_rate, is_tuned=True)
        self.casting = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """Does one."""
        with self.casting:
            logits = self.model(inputs)
        loss = functional.cross_entropy(logits.float(), targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def train_floor(
    network: Network, epochs: Sequence[Batches], tests: Batches, plain: Batches, precision: str
) -> Outcome:
    """Trains on batches that lie ready, evaluates after each epoch, at last on `plain` too."""
    trainer = FloorTrainer(network, find_format(network, precision), precision)
    model, casting = trainer.model, trainer.casting
    step, seconds, accuracy = 0, 0.0, 0.0
    for batches in epochs:
        model.train()
        started = time.perf_counter()
        for inputs, targets in batches:
            for group in trainer.optimizer.param_groups:
                group["lr"] = network.rate(step)
            trainer.step(inputs, targets)
            step += 1
        seconds += time.perf_counter() - started
        accuracy = evaluate(model, tests, casting)
    started = time.perf_counter()
    evaluate(model, plain, casting)
    return Outcome(accuracy, seconds, time.perf_counter() - started)


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches, casting: torch.autocast) -> float:
    """Returns the accuracy; the loss is computed too, as bnexp does."""
    model.eval()
    sums = torch.zeros(2, dtype=torch.float64)
    for inputs, targets in batches:
        with casting:
            logits = model(inputs)
        loss = functional.cross_entropy(logits.float(), targets)
        hits = (logits.argmax(1) == targets).sum()
        sums += torch.stack((loss * len(targets), hits.to(loss.dtype)))
    return float(sums[1]) / sum(len(targets) for _, targets in batches)

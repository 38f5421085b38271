"""How far a network's steps are from what this machine's convolutions and products allow.

FLOPs (a multiplication and an addition are two) of forward and backward pass, divided by the
rates at which the machine does a large matrix product, a large convolution, and the network's own
convolutions and linear layers each by itself: the pictures per second that the step would reach
if it did nothing else at that rate. Beside them the floor, measured in the same rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import Interval, in_turns
from benchmarks.networks import BATCH_SIZE, NETWORKS, Network, initialize
from benchmarks.pictures import Pictures
from benchmarks.report import Report, Table
from benchmarks.sides.floor import floor_side

SIDE = 1024
"""Of the matrices."""
CONVOLUTION = (BATCH_SIZE, 64, 16, 16)
"""The input of the large convolution, from 64 to 64 channels."""
FLOOR_STEPS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--rounds", type=int, default=9)


def measure(options: argparse.Namespace) -> Report:
    """Returns rates, limits, and the floor's speed."""
    product = Work.of(multiply_matrices)
    convolution = Work.of(build_layer_work(nn.Conv2d(64, 64, 3, padding=1), CONVOLUTION))
    sides = {"a large product": product.time, "a large convolution": convolution.time}
    images = FLOOR_STEPS * BATCH_SIZE
    flops, own = {}, {}
    for name in options.networks:
        network = replace(NETWORKS[name], images=images, test_images=BATCH_SIZE, epochs=1)
        flops[name] = count_step_flops(network) / BATCH_SIZE
        own[name] = [Work.of(work) for work in list_layer_works(network)]
        pictures = Pictures.load(options.data, network)
        floor = floor_side(network, pictures, "fp32")
        sides[f"layers of {name}"] = partial(time_all, own[name])
        sides[f"floor of {name}"] = lambda seed, floor=floor: floor(seed)().training_seconds
    for side in sides.values():
        side(0)
    found = in_turns(sides, options.rounds, options.seed, options.say)
    seconds = {side: Interval.of(values).median for side, values in found.items()}
    rates = {
        "a large product": product.flops / seconds["a large product"],
        "a large convolution": convolution.flops / seconds["a large convolution"],
    }
    rows = []
    for name in options.networks:
        floor_speed = images / seconds[f"floor of {name}"]
        limits = [rate / flops[name] for rate in rates.values()]
        limits.append(BATCH_SIZE / seconds[f"layers of {name}"])
        shown = (f"{limit:,.0f} ({floor_speed / limit:.0%})" for limit in limits)
        rows.append((name, f"{flops[name] / 1e6:,.0f}", f"{floor_speed:,.0f}", *shown))
    header = ("network", "MFLOPs per picture", "floor, images/s",
              *(f"limit by {name} (the floor reaches)" for name in rates),
              "limit by its own layers alone (the floor reaches)")  # fmt: skip
    notes = [
        f"{name[0].upper()}{name[1:]}, forward and backward: {rate / 1e9:,.0f} GFLOP/s."
        for name, rate in rates.items()
    ]
    notes.append(f"Batch {BATCH_SIZE}, fp32; n = {options.rounds} rounds; medians.")
    return Report({"limit": {"seconds": found, "flops": flops}}, [Table(header, rows)], notes)


class Work:
    """Something to time, and its FLOPs."""

    def __init__(self, run: Callable[[], object], flops: int) -> None:
        self._run, self.flops = run, flops

    @classmethod
    def of(cls, run: Callable[[], object]) -> Work:
        """Counts the FLOPs by running it."""
        with FlopCounterMode(display=False) as counter:
            run()
        return cls(run, counter.get_total_flops())

    def time(self, _: int = 0) -> float:
        """Returns the shortest of three times in seconds."""
        return min(self._time_once() for _ in range(3))

    def _time_once(self) -> float:
        started = time.perf_counter()
        self._run()
        return time.perf_counter() - started


def time_all(works: list[Work], _: int) -> float:
    """Returns how long works take together."""
    return sum(work.time() for work in works)


def multiply_matrices() -> Tensor:
    """Multiplies two large matrices, as forward and backward pass do all the time."""
    return torch.ones(SIDE, SIDE) @ torch.ones(SIDE, SIDE)


def build_layer_work(
    layer: nn.Module, shape: tuple[int, ...], *, is_first: bool = False
) -> Callable[[], object]:
    """Returns a layer's forward and backward pass; the first one's inputs take no gradient."""
    inputs = torch.randn(shape)
    if inputs.dim() == 4:
        inputs = inputs.to(memory_format=torch.channels_last)
        layer = layer.to(memory_format=torch.channels_last)
    inputs.requires_grad_(not is_first)
    gradient = torch.ones_like(layer(inputs))

    def run() -> None:
        layer.zero_grad()
        inputs.grad = None
        layer(inputs).backward(gradient)

    return run


def list_layer_works(network: Network) -> list[Callable[[], object]]:
    """Returns the work of each convolution and linear layer of a network by itself."""
    model, works = initialize(network.build()), []

    def note(layer: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        works.append((layer, tuple(inputs[0].shape)))

    handles = [
        layer.register_forward_hook(note)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        model(torch.zeros(BATCH_SIZE, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return [
        build_layer_work(layer, shape, is_first=place == 0)
        for place, (layer, shape) in enumerate(works)
    ]


def count_step_flops(network: Network) -> int:
    """Returns the FLOPs of forward and backward pass of a batch."""
    model = initialize(network.build())
    with FlopCounterMode(display=False) as counter:
        logits = model(torch.zeros(BATCH_SIZE, 3, 32, 32))
        functional.cross_entropy(logits, torch.zeros(BATCH_SIZE, dtype=torch.long)).backward()
    return counter.get_total_flops()

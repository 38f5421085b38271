"""What `train.memory_format` does to the accuracy of batch norm, and to speed, on the CPU.

Accuracy: batch norm in training mode, in float32, against the formula in float64 of the same
float32 inputs; the error is ‖y − exact‖ / ‖exact‖ over all values, the same for the gradient
of the inputs. Shown is the median over the draws, and the largest.

Speed: steps of three of the shipped networks with and without batch norm, the formats in turns.
Shown is the ratio of images/s in channels-last to that in contiguous memory. Times are those of
the processor, not of the clock, so that other programs on the machine count little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measuring import Interval
from benchmarks.report import Report, Table
from bnexp.config.load import load_experiment
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.training.setup import TrainingParts, build_parts

SHAPE = (128, 32, 16, 16)
"""Of the inputs `(N, C, H, W)`."""
MEANS = (0, 3, 30, 300)
"""In standard deviations."""
MEMORY_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
CONFIGS = Path(__file__).parents[2] / "configs" / "cifar10"
NETWORKS = ("tutorial-cnn", "resnet20", "vgg11")
STEPS = 4
"""Steps that are timed together."""


def compute(inputs: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Returns batch norm's outputs, and the inputs' gradient if the outputs' is `direction`."""
    inputs = inputs.detach().requires_grad_()
    layer = BatchNormConfig().build(SHAPE[1]).to(inputs.dtype)
    outputs = layer(inputs)
    (gradient,) = torch.autograd.grad(outputs, inputs, direction)
    return outputs.detach(), gradient


def compute_exactly(inputs: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the same in float64, by the formula."""
    inputs = inputs.double().requires_grad_()
    variance, mean = torch.var_mean(inputs, (0, 2, 3), correction=0, keepdim=True)
    outputs = (inputs - mean) / (variance + BatchNormConfig().eps).sqrt()
    (gradient,) = torch.autograd.grad(outputs, inputs, direction.double())
    return outputs.detach(), gradient


def measure_errors(mean: float, memory_format: torch.memory_format, draw: int) -> list[float]:
    """Returns the relative errors of outputs and gradient for one draw of inputs."""
    generator = torch.Generator().manual_seed(draw)
    inputs = torch.randn(SHAPE, generator=generator) + mean
    direction = torch.randn(SHAPE, generator=generator)
    held = [value.contiguous(memory_format=memory_format) for value in (inputs, direction)]
    pairs = zip(compute(*held), compute_exactly(inputs, direction), strict=True)
    return [float((value - exact).norm() / exact.norm()) for value, exact in pairs]


def tabulate_errors(draws: int) -> Table:
    """Returns the errors of the outputs and of the gradient, by mean and format."""
    rows = []
    for mean in MEANS:
        for name, memory_format in MEMORY_FORMATS.items():
            errors = [measure_errors(mean, memory_format, draw) for draw in range(draws)]
            shown = (
                f"{statistics.median(values):.1e} (at most {max(values):.1e})"
                for values in zip(*errors, strict=True)
            )
            rows.append((str(mean), name, *shown))
    header = ("mean / std", "memory", "error of the outputs", "error of the gradient")
    return Table(header, rows)


def build(network: str, norm: str, memory_format: str) -> TrainingParts:
    """Returns a shipped network, ready to train on made-up images of CIFAR-10's size."""
    data = "data={name: shapes, train_size: 2000, val_size: 0, batch_size: 128}"
    overrides = [data, "sweep=null", f"model.norm={norm}", f"train.memory_format={memory_format}"]
    config = load_experiment(CONFIGS / f"{network}.yaml", overrides).runs[0].config
    return build_parts(config, config.data.load(lambda _: None), torch.device("cpu"))


def build_timer(parts: TrainingParts) -> Callable[[], float]:
    """Returns what trains a few steps and says how many seconds they took."""

    def take_time() -> float:
        started = time.process_time()
        for number, batch in zip(range(1, STEPS + 1), parts.batches.epoch(0), strict=False):
            parts.learner.step(number, batch)
        return time.process_time() - started

    return take_time


def tabulate_speeds(rounds: int) -> tuple[Table, dict[str, list[float]]]:
    """Returns the ratios of speeds, as a table and by round."""
    rows, found = [], {}
    for network in NETWORKS:
        for norm in ("batch", "none"):
            timers = [build_timer(build(network, norm, name)) for name in MEMORY_FORMATS]
            for take_time in timers:
                take_time()
            seconds = [[take_time() for take_time in timers] for _ in range(rounds)]
            speed = STEPS * 128 / statistics.median(first for first, _ in seconds)
            ratios = [contiguous / last for last, contiguous in seconds]
            rows.append((network, norm, f"{speed:,.0f}", f"{Interval.of(ratios):.2f}"))
            found[f"{network}, {norm}"] = ratios
    header = ("network", "norm", "images/s in channels_last", "times those in contiguous")
    return Table(header, rows), found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=9)


def measure(options: argparse.Namespace) -> Report:
    """Returns errors and speeds."""
    torch.set_num_threads(1)
    speeds, found = tabulate_speeds(options.rounds)
    capability = torch.backends.cpu.get_cpu_capability()
    notes = [f"One thread, {capability}; n = {options.draws} draws, {options.rounds} rounds."]
    return Report({"memory_format": found}, [tabulate_errors(options.draws), speeds], notes)

"""What diagnostics cost: measured steps against plain ones, in turns; see benchmark.py."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from scipy import stats

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import load_experiment
from bnexp.data.dataset import Dataset
from bnexp.diagnostics import DIAGNOSTICS, DiagnosticConfig
from bnexp.parts import part_name
from bnexp.runs import MetricsLog, read_run
from bnexp.runs.tensorboard import EventWriter
from bnexp.runs.tensorboard_events import scalars_event
from bnexp.training.loop import read_measured
from bnexp.training.setup import build_parts
from bnexp.training.step import Batch, compute_loss

MOST_SHARE = 0.03
"""What the diagnostics that are on by default may cost together, as a share of training."""
BLOCK = 1
"""Steps of a side per turn: few, as a measured step comes after many plain ones in a run."""

Diagnostics = Sequence[DiagnosticConfig]


def benchmark_diagnostics(
    config: Path, folder: Path, rounds: int, train: Callable[[Path, Path], Path]
) -> dict[str, list[float]]:
    """Returns by round what a measured step of each side costs, in plain steps, and prints a table.

    `train` trains a config in a folder and returns that of its run. Exits if a side did not do its
    work, or if the default ones cost more than they may.
    """
    experiment = load_experiment(config).runs[0].config
    default: Diagnostics = ExperimentConfig.model_fields["diagnostics"].default
    alone: dict[str, Diagnostics] = {str(part_name(one)): (one(),) for one in DIAGNOSTICS}
    check_runs(config, folder, train)
    sides = {"by hand": None, "off": (), "default": default, **alone}
    found = measure_sides(experiment, sides, rounds, folder)
    del found["by hand"]
    steps = -(-experiment.data.train_size // experiment.data.batch_size)
    print(
        f"\none thread, torch {torch.__version__}; ± is half a 95 % interval over {rounds} rounds"
    )
    print(f"{'diagnostics':<28} {'a measured step':>20} {f'once per epoch of {steps} steps':>30}")
    for side, ratios in found.items():
        middle, half = describe(ratios)
        share = f"{(middle - 1) / steps:+.2%} ± {half / steps:.2%}" if side != "off" else ""
        name = "off, next to a step by hand" if side == "off" else side
        print(f"{name:<28} {f'× {middle:.3f} ± {half:.3f}':>20} {share:>30}")
    if default and (describe(found["default"])[0] - 1) / steps > MOST_SHARE:
        sys.exit(f"the default diagnostics cost more than {MOST_SHARE:.0%} of training")
    return found


def describe(ratios: Sequence[float]) -> tuple[float, float]:
    """Returns the geometric mean of ratios, and half the length of its 95 % t interval."""
    logs = [math.log(ratio) for ratio in ratios]
    middle = math.exp(statistics.mean(logs))
    half = stats.t.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / len(logs) ** 0.5
    return middle, middle * half


def check_runs(config: Path, folder: Path, train: Callable[[Path, Path], Path]) -> None:
    """Trains a run with no diagnostics and one with all; exits if they are not as they should be.

    Both must have the same final figures, and each diagnostic must have its rows in the second.
    """
    text = config.read_text(encoding="utf-8")
    finals = []
    for names in ([], [part_name(one) for one in DIAGNOSTICS]):
        path = folder / "checked.yaml"
        path.write_text(f"{text}diagnostics: {json.dumps(names)}\n", encoding="utf-8")
        run = read_run(train(path, folder))
        finals.append({tag: one for tag, one in run.summary.final.items() if "perf/" not in tag})
        rows = [json.loads(line) for line in (run.path / "metrics.jsonl").open(encoding="utf-8")]
        tags = {tag for row in rows for tag in row if tag.startswith("diag/")}
        epochs = {row["epoch"] for row in rows if any(tag in tags for tag in row)}
        if bool(tags) != bool(names) or (names and len(epochs) != run.summary.epochs):
            sys.exit(f"the run with diagnostics {names} has rows of {len(tags)} tags, {epochs}")
    if finals[0] != finals[1]:
        sys.exit(f"diagnostics changed the figures of a run: {finals[0]} became {finals[1]}")


def measure_sides(
    config: ExperimentConfig, sides: dict[str, Diagnostics | None], rounds: int, folder: Path
) -> dict[str, list[float]]:
    """Returns the CPU time of each side's steps by round, as ratios to the side `off`.

    Each side trains a network of its own on the same batches, so that all must end with the same
    bits. None stands for a step that is written by hand, and is what `off` is compared with.
    """
    torch.set_num_threads(1)
    dataset = config.data.load(print)
    trained = {name: Side(config, dataset, own, folder / name) for name, own in sides.items()}
    batches = itertools.cycle([*trained["off"].parts.batches.epoch(0)])
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        block = [next(batches) for _ in range(BLOCK)]
        for name, side in trained.items():
            started = time.process_time()
            side.train(block)
            if number:  # the first round warms up
                seconds[name].append(time.process_time() - started)
        print(f"round {number} of {rounds}", file=sys.stderr)
    for name, side in trained.items():
        if side.read_bits() != trained["off"].read_bits():
            sys.exit(f"{name}: the network is not what it is without diagnostics")
        if len(side.measured) != (BLOCK * (rounds + 1) if sides[name] else 0):
            sys.exit(f"{name}: {len(side.measured)} steps were measured")
    base = {name: seconds["by hand" if name == "off" else "off"] for name in sides}
    return {
        name: [own / other for own, other in zip(seconds[name], base[name], strict=True)]
        for name in sides
    }


class Side:
    """A network that trains in turn with others, and measures every step."""

    def __init__(
        self,
        config: ExperimentConfig,
        dataset: Dataset,
        diagnostics: Diagnostics | None,
        folder: Path,
    ) -> None:
        own = config.model_copy(update={"diagnostics": diagnostics or ()})
        self.parts = build_parts(own, dataset, torch.device("cpu"))
        self._is_by_hand = diagnostics is None
        self._precision = config.train.precision
        folder.mkdir()
        self._rows, self._events = MetricsLog(folder / "metrics.jsonl"), EventWriter(folder, print)
        self.measured: list[int] = []
        """The steps of which there is a row."""
        self._number = 0

    def train(self, batches: Sequence[Batch]) -> None:
        """Does a step on each batch, and writes what was measured."""
        for batch in batches:
            self._number += 1
            if self._is_by_hand:
                self._step_by_hand(batch)
                continue
            result = self.parts.learner.step(self._number, batch, self.parts.probes)
            if result.measured:
                values = read_measured(result.measured)
                self._rows.write(self._number, 1, 0.0, values)
                self._events.write(scalars_event, self._number, 0.0, values)
                self.measured.append(self._number)

    def _step_by_hand(self, batch: Batch) -> None:
        learner = self.parts.learner
        for group in learner.optimizer.param_groups:
            group["lr"] = learner.learning_rate(self._number)
        loss, _ = compute_loss(learner.model, batch, self._precision)
        learner.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        learner.optimizer.step()

    def read_bits(self) -> list[bytes]:
        """Returns what the network has become."""
        return [value.numpy().tobytes() for value in self.parts.learner.model.state_dict().values()]

"""How long the commands that read finished runs take.

`bnexp compare` next to reading the same runs' event files, and `ls` and `compare` over ten
thousand runs. The runs are made up, but look as training would leave them: one folder per run
with status, environment, summary, `metrics.jsonl`, and an event file with the same number of rows.

- `bnexp compare`: the whole command, including TensorBoard's `_compare` folder, which is either
  rewritten (first) or found unchanged (again).
- after imports: reading, statistics and table in a process that has imported everything.
- EventAccumulator: TensorBoard's own reader over all event files, which keeps every scalar. A
  comparison based on TensorBoard's files would have to do this before it starts.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Interval, divide, in_turns
from benchmarks.report import Report, Table
from bnexp.config.load import RunSpec, load_experiment
from bnexp.launch.resolved_config import resolved_config
from bnexp.runs import RunDir, Summary
from bnexp.runs.environment import describe_environment
from bnexp.runs.streams.tensorboard import EventWriter
from bnexp.runs.streams.tensorboard_events import scalars_event

SEEDS = 5
EPOCHS = 100
MANY_RUNS = 10_000
MANY_EPOCHS = 10
MANY_SEEDS = 50

CONFIG = """\
name: compared
data: {{name: shapes}}
model: {{name: cnn, layers: [{{conv: 8}}], head: global_avg_pool}}
optim: {{name: sgd}}
train: {{epochs: {epochs}}}
sweep:
  seeds: {seeds}
  grid:
    model.norm.name: [none, batch]
    optim.learning_rate: [{rates}]
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=MANY_RUNS)
    parser.add_argument("--rounds", type=int, default=5)


def measure(options: argparse.Namespace) -> Report:
    """Returns the seconds of each side in each round."""
    rounds, say = options.rounds, options.say
    with tempfile.TemporaryDirectory() as name:
        say(f"making {options.runs} runs of {options.rows:,} rows …")
        experiment = make_runs(Path(name), options.runs, options.rows)
        _compare_here(Path(name))  # imports
        compared = in_turns(list_readers(Path(name), experiment), rounds, options.seed, say)
    with tempfile.TemporaryDirectory() as name:
        say(f"making {options.many:,} runs …")
        make_runs(Path(name), options.many, 0, MANY_EPOCHS, MANY_SEEDS)
        listed = in_turns(list_commands(Path(name)), rounds, options.seed, say)
    events = compared["EventAccumulator"]
    rows = [
        (side, f"{Interval.of(own):.2f}", f"{divide(events, own):.1f}")
        for side, own in compared.items()
    ]
    few = f"{options.runs} runs of {options.rows:,} rows:"
    many = f"{options.many:,} runs of {MANY_EPOCHS} epochs, without rows:"
    return Report(
        {"compare": compared, "many": listed},
        [
            Table(("side", "seconds", "EventAccumulator takes, times as long"), rows, few),
            Table(
                ("command", "seconds"),
                [(side, f"{Interval.of(own):.2f}") for side, own in listed.items()],
                many,
            ),
        ],
        [f"n = {rounds} rounds; medians [95 % intervals]; files in the system's cache."],
    )


def list_readers(folder: Path, experiment: Path) -> dict[str, Callable[[int], float]]:
    """Returns what reads the experiment, by name."""
    works: dict[str, Callable[[], None]] = {
        "`bnexp compare`, first": lambda: _compare_from_the_shell(folder, is_first=True),
        "`bnexp compare`, again": lambda: _compare_from_the_shell(folder, is_first=False),
        "after imports": lambda: _compare_here(folder),
        "EventAccumulator": lambda: _read_events(experiment),
    }
    return {name: partial(time_work, work) for name, work in works.items()}


def list_commands(folder: Path) -> dict[str, Callable[[int], float]]:
    """Returns the commands that go over all runs of a folder, and their imports alone."""
    imports = "import bnexp.cli.results.compare, bnexp.analysis.comparison, scipy.special"
    place = ["--runs-dir", str(folder)]
    commands = {
        "`bnexp ls`": ["-m", "bnexp", "ls", *place],
        "`bnexp ls NAME`": ["-m", "bnexp", "ls", "compared", *place],
        "`bnexp compare`": ["-m", "bnexp", "compare", *place],
        "the imports of `bnexp compare` alone": ["-c", imports],
    }
    return {
        name: partial(time_work, partial(_run_python, arguments))
        for name, arguments in commands.items()
    }


def time_work(work: Callable[[], object], _: int) -> float:
    """Returns how long some work takes in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def make_runs(folder: Path, runs: int, rows: int, epochs: int = EPOCHS, seeds: int = SEEDS) -> Path:
    """Writes finished runs of an experiment called `compared`, and returns its folder."""
    rates = ", ".join(f"{index / 1000:g}" for index in range(1, runs // (2 * seeds) + 1))
    config = folder / "compared.yaml"
    config.write_text(CONFIG.format(epochs=epochs, seeds=seeds, rates=rates), encoding="utf-8")
    experiment = load_experiment(config)
    environment = {**describe_environment(), "device": "cpu", "threads": 1}
    for place, spec in enumerate(experiment.runs):
        _make_run(folder, spec, place // seeds, rows, environment)
    return folder / experiment.name


def _make_run(
    folder: Path, spec: RunSpec, cell: int, rows: int, environment: Mapping[str, Any]
) -> None:
    epochs = spec.config.train.epochs
    run = RunDir.of(folder, {**spec.identity, "fingerprint": "f" * 64})
    run.create("# made up\n", {**environment, "config": resolved_config(spec)})
    noise = random.Random(1000 * spec.seed + cell).gauss(0, 0.01)
    best = 0.5 + cell / 1000 + noise
    curve = tuple(best * (1 - 0.9 ** (epoch + 1)) for epoch in range(epochs))
    values = {"train/loss": 1.0, "train/accuracy": 0.5, "optim/learning_rate": 0.1}
    events = EventWriter(run.path, print)
    with run.metrics.open("w", encoding="utf-8") as file:
        for step in range(1, rows + 1):
            file.write(
                json.dumps({"step": step, "epoch": 1, "elapsed_seconds": 1.0, **values}) + "\n"
            )
            events.write(scalars_event, step, 1.0, values)
    for epoch, value in enumerate(curve, start=1):
        events.write(scalars_event, epoch * rows // epochs, 1.0, {"test/accuracy": value})
    events.close()
    history = dict.fromkeys(("train/accuracy", "test/accuracy", "train/loss", "test/loss"), curve)
    final = {tag: values[-1] for tag, values in history.items()}
    run.write_summary(
        Summary("finished", epochs, rows, 60.0, 5000.0, 10**9, 1000, final, {}, history)
    )


def _compare_from_the_shell(folder: Path, is_first: bool) -> None:
    if is_first:
        shutil.rmtree(folder / "compared" / "_compare", ignore_errors=True)
    _run_python(["-m", "bnexp", "compare", "--runs-dir", str(folder)])


def _run_python(arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def _compare_here(folder: Path) -> None:
    from bnexp.analysis.comparison import compare_runs
    from bnexp.reports.terminal import render_text
    from bnexp.runs import read_experiments

    render_text(compare_runs(read_experiments(["compared"], folder)))


def _read_events(experiment: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for run in experiment.glob("[!_]*/seed=*"):
        EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()

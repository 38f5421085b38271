"""Seconds to a verdict: from an empty folder to a decided claim, everything included.

Does the tutorial CNN reach another accuracy at the second learning rate? The effect is about one
and a half standard deviations of the difference between paired runs. At equal power by design,
in whole commands with the start of Python and PyTorch:

- usual, lightning: a script that trains 8 seeds of both arms one after another, and does a t test.
  In it the seeds do not pair, which this design forgives: it would take more of them.
- bnexp: `bnexp train` and `bnexp compare`, which decides a claim with planned looks. On the way
  there, the same fixed number of seeds, one run at a time and on every core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from scipy import stats

from benchmarks.measuring import Interval, divide, in_turns
from benchmarks.networks import NETWORKS, Network
from benchmarks.pictures import Pictures
from benchmarks.report import BenchmarkError, Report, Table
from benchmarks.sides.bnexp import build_config
from benchmarks.sides.outcome import Outcome, Side
from benchmarks.sides.usual import usual_side
from benchmarks.training import choose_precisions, find_odd_accuracies, train_and_check
from bnexp.analysis.stats.looks import nominal_level
from bnexp.config.sweep.looks import planned_looks
from bnexp.runs import read_experiments

EFFECT = 1.5
"""In standard deviations of the paired difference, for which the designs have equal power."""
FIXED = 8
"""Seeds of the fixed design."""
FEWEST, MOST = 4, 10
"""Seeds between which claims are looked at: as much power as with the fixed number."""
LEVEL = 0.05
"""Of the planned looks together, and of the fixed design's t test."""
RATES = {"control": 0.004, "treatment": 0.005}
MARGIN = 0.001
SIMULATED = 100_000
GOAL = 5.0


@dataclass(frozen=True)
class Decided:
    """What a side found, and how long it took."""

    seconds: float
    verdict: str
    accuracies: dict[str, list[float]]
    """By arm, in the order of the seeds."""

    @property
    def seeds(self) -> int:
        """Seeds of each arm."""
        return len(self.accuracies["treatment"])

    @property
    def effect(self) -> float:
        """The mean of the paired differences, in their standard deviations."""
        differences = np.subtract(self.accuracies["treatment"], self.accuracies["control"])
        return float(differences.mean() / differences.std(ddof=1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--images", type=int, default=2500)
    parser.add_argument("--test-images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--jobs", default="auto", help="what bnexp is given on every core")
    parser.add_argument("--rounds", type=int, default=1)


def measure(options: argparse.Namespace) -> Report:
    """Lets every side decide, in turns."""
    network = build_network(options.images, options.test_images, options.epochs)
    (*_, precision), notes = choose_precisions(None)
    scripts = [
        "usual",
        *(["lightning loader", "lightning resident"] if find_spec("lightning") else []),
    ]
    looks = {"min": FEWEST, "max": MOST}
    sides = {name: partial(run_script, name, network, options.data) for name in scripts}
    for name, seeds, jobs in (
        ("bnexp, one run at a time", FIXED, "1"),
        ("bnexp, on every core", FIXED, options.jobs),
        ("bnexp, with planned looks", looks, options.jobs),
    ):
        sides[name] = partial(run_bnexp, network, options.data, precision, seeds, jobs)
    notes.append(f"bnexp trains in {precision}, the scripts in fp32.")
    found = in_turns(sides, options.rounds, options.seed, options.say)
    return report(network, found, notes, options)


def report(
    network: Network,
    found: dict[str, list[Decided]],
    notes: Sequence[str],
    options: argparse.Namespace,
) -> Report:
    """Returns the seconds of each side, and what each step on the way is worth."""
    seconds = {name: [own.seconds for own in rounds] for name, rounds in found.items()}
    sides = []
    for name, rounds in found.items():
        seeds = ", ".join(str(own.seeds) for own in rounds)
        times = f"{divide(seconds['usual'], seconds[name]):.2f}"
        verdicts = ", ".join(dict.fromkeys(own.verdict for own in rounds))
        sides.append((name, seeds, f"{Interval.of(seconds[name]):.1f}", times, verdicts))
    *_, one, cores, looks = found
    factors = [
        ("the step: usual loop → bnexp, one run at a time", divide(seconds["usual"], seconds[one])),
        ("the cores: → on every core", divide(seconds[one], seconds[cores])),
        (f"the seeds: {FIXED} → planned looks", divide(seconds[cores], seconds[looks])),
        ("all of them", divide(seconds["usual"], seconds[looks])),
    ]
    fixed, planned, average = compare_designs()
    whole = factors[-1][1]
    result = "met" if whole.median >= GOAL else "missed"
    effects = ", ".join(f"{own.effect:.2f}" for own in found[cores])
    return Report(
        {
            "verdict": {
                name: [vars(own) | {"seeds": own.seeds} for own in rounds]
                for name, rounds in found.items()
            }
        },
        [
            Table(("side", "seeds per arm", "seconds", "times as fast", "verdict"), sides),
            Table(("factor", "times as fast"), [(name, f"{own:.2f}") for name, own in factors]),
        ],
        [
            *notes,
            f"Goal: {GOAL:g} times as fast as the usual loop: {result}.",
            f"By design, for an effect of {EFFECT:g} standard deviations: {FIXED} seeds have a "
            f"power of {fixed:.1%}; looks after {join(planned_looks(FEWEST, MOST))} seeds have "
            f"{planned:.1%} and take {average:.1f} on average, {FIXED / average:.2f} times fewer.",
            f"Measured effect, {FIXED} seeds: {effects} standard deviations.",
            f"{network.epochs} epochs of {network.images:,} pictures per run, learning rate "
            f"{RATES['treatment']:g} against {RATES['control']:g}; `--jobs {options.jobs}` on "
            f"every core. n = {options.rounds}.",
        ],
        [*find_problems(network, found)],
    )


def join(numbers: Sequence[int]) -> str:
    """Returns `4, 5 and 6`."""
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def compare_designs() -> tuple[float, float, float]:
    """Returns the power of the fixed design, that of the planned looks, and their mean seeds."""
    looks = planned_looks(FEWEST, MOST)
    level = nominal_level(LEVEL, looks, "paired")
    differences = np.random.default_rng(0).standard_normal((SIMULATED, MOST)) + EFFECT
    seeds = np.zeros(SIMULATED, int)
    for look in looks:
        is_shown = stats.ttest_1samp(differences[:, :look], 0, axis=1).pvalue <= level
        seeds[(seeds == 0) & is_shown] = look
    fixed = stats.ttest_1samp(differences[:, :FIXED], 0, axis=1).pvalue <= LEVEL
    planned = (seeds > 0).mean()
    return float(fixed.mean()), float(planned), float(np.where(seeds, seeds, MOST).mean())


def find_problems(network: Network, found: dict[str, list[Decided]]) -> list[str]:
    """Returns why the figures cannot be believed."""
    *_, looks = found
    problems = [
        f"{looks} ended undecided: {own.verdict}"
        for own in found[looks]
        if own.verdict not in ("supported", "contradicted")
    ]
    fewest = min(own.seeds for rounds in found.values() for own in rounds)
    for arm in RATES:
        outcomes = {
            name: [Outcome(value) for value in rounds[0].accuracies[arm][:fewest]]
            for name, rounds in found.items()
        }
        problems += find_odd_accuracies(replace(network, name=arm), outcomes)
    return problems


def build_network(images: int, test_images: int, epochs: int) -> Network:
    """Returns the tutorial CNN of this size."""
    return replace(NETWORKS["tutorial"], images=images, test_images=test_images, epochs=epochs)


def run_script(name: str, network: Network, data: Path | None, _: int) -> Decided:
    """Returns what a script finds that trains the fixed number of seeds."""
    sizes = [str(size) for size in (network.images, network.test_images, network.epochs)]
    started = time.perf_counter()
    out = _run(
        ["-m", "benchmarks.verdict", name, *sizes, *([str(data.absolute())] if data else [])]
    )
    seconds = time.perf_counter() - started
    accuracies = json.loads(out.splitlines()[-1])
    p = stats.ttest_rel(accuracies["treatment"], accuracies["control"]).pvalue
    return Decided(seconds, f"p = {p:.2g}", accuracies)


def run_bnexp(
    network: Network,
    data: Path | None,
    precision: str,
    seeds: int | dict[str, int],
    jobs: str,
    _: int,
) -> Decided:
    """Returns what bnexp finds.

    Raises:
        BenchmarkError: A run did not train all of its steps.
    """
    with tempfile.TemporaryDirectory() as name:
        # Nothing that an earlier command measured is known, as in an empty folder.
        folder = Path(name)
        with mock.patch.dict(os.environ, BNEXP_DATA=str(folder / "data")):
            pictures = Pictures.load(data, network)
            config = build_verdict_config(network, pictures.config, precision, seeds)
            path, runs = folder / "verdict.yaml", str(folder / "runs")
            path.write_text(json.dumps(config), encoding="utf-8")
            started = time.perf_counter()
            _run(["-m", "bnexp", "train", str(path), "--runs-dir", runs, "--jobs", jobs])
            compare = ["compare", "verdict", "--runs-dir", runs, "--format", "json"]
            out = _run(["-m", "bnexp", *compare])
            seconds = time.perf_counter() - started
        (claim,) = json.loads(out)["claims"]
        records = read_experiments(["verdict"], folder / "runs")
    if short := [
        one for one in records if one.state != "finished" or one.summary.steps != network.steps
    ]:
        raise BenchmarkError(f"{len(short)} runs did not train {network.steps:,} steps")
    accuracies = {
        arm: [
            one.summary.final["test/accuracy"]
            for one in sorted(records, key=lambda one: one.seed)
            if one.settings["optim.learning_rate"] == rate
        ]
        for arm, rate in RATES.items()
    }
    return Decided(seconds, claim["verdict"], accuracies)


def build_verdict_config(
    network: Network, data: dict[str, Any], precision: str, seeds: int | dict[str, int]
) -> dict[str, Any]:
    """Returns the experiment with its claim."""
    config = build_config(network, data, precision)
    del config["train"]["seed"]
    key = "optim.learning_rate"
    return {
        **config,
        "name": "verdict",
        "sweep": {"seeds": seeds, "grid": {key: [*RATES.values()]}},
        "claim": {
            "statement": "the larger learning rate gives another accuracy",
            "source": "16 seeds of a pilot: 0.84 points, 1.5 standard deviations",
            **{arm: {key: rate} for arm, rate in RATES.items()},
            "direction": "higher",
            "margin": MARGIN,
        },
    }


def _run(arguments: Sequence[str]) -> str:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def train_arms(name: str, network: Network, data: Path | None) -> dict[str, list[float]]:
    """Returns the accuracies of both arms, one run after another, as a script would find them."""
    pictures = Pictures.load(data, network)
    accuracies: dict[str, list[float]] = {arm: [] for arm in RATES}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(FIXED):
            for arm, rate in RATES.items():
                own = replace(network, learning_rate=rate)
                side = build_side(name, own, pictures, Path(folder))
                accuracies[arm].append(train_and_check(own, name, side, seed).accuracy)
    return accuracies


def build_side(name: str, network: Network, pictures: Pictures, folder: Path) -> Side:
    """Returns the side of that name."""
    if name == "usual":
        return usual_side(network, pictures, folder, workers=2)
    from benchmarks.sides.lightning import lightning_side

    is_resident = name == "lightning resident"
    return lightning_side(network, pictures, folder, "fp32", is_resident=is_resident)


if __name__ == "__main__":
    side, images, test_images, epochs, *folder = sys.argv[1:]
    size = build_network(int(images), int(test_images), int(epochs))
    print(json.dumps(train_arms(side, size, Path(folder[0]) if folder else None)))

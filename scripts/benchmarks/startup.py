"""How much CPU time the start of a command takes, from the shell to its end.

The commands take turns in random order; what they read is in the system's cache. Beside them
stands how long the quickstart's training takes by the clock.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.measuring import Interval, in_turns
from benchmarks.reading import make_runs
from benchmarks.report import BenchmarkError, Report, Table
from bnexp.runs import read_experiments

GOALS = {
    "`bnexp --help`": 0.3,
    "`bnexp ls`": 0.6,
    "`bnexp show RUN`": 0.6,
    "`bnexp plan CONFIG`": 0.8,
    "`bnexp show CONFIG`": 2.0,
    "`bnexp train quickstart`, by the clock": 75.0,
}
"""The most seconds that each command is to take."""

CONFIG = str(Path(__file__).parents[2] / "configs/quickstart.yaml")
"""A path, since a mere name would mean the runs of that name if there are any."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--trainings", type=int, default=3, help="of the quickstart")


def measure(options: argparse.Namespace) -> Report:
    """Returns the CPU seconds of each command in each round."""
    with tempfile.TemporaryDirectory() as name:
        experiment = make_runs(Path(name), runs=20, rows=100)
        run = next(experiment.glob("[!_]*/seed=*"))
        commands = {
            "`python -c pass`": ["-c", "pass"],
            "`import torch`": ["-c", "import torch"],
            "`bnexp --help`": ["-m", "bnexp", "--help"],
            "`bnexp ls`": ["-m", "bnexp", "ls", "--runs-dir", name],
            "`bnexp show RUN`": ["-m", "bnexp", "show", str(run)],
            "`bnexp compare`": ["-m", "bnexp", "compare", "--runs-dir", name],
            "`bnexp plan CONFIG`": ["-m", "bnexp", "plan", CONFIG, "--runs-dir", name],
            "`bnexp show CONFIG`": ["-m", "bnexp", "show", CONFIG],
        }
        sides = {side: partial(time_command, words) for side, words in commands.items()}
        for take_time in sides.values():
            take_time(0)
        found = in_turns(sides, options.rounds, options.seed, options.say)
    trained = [time_quickstart() for _ in range(options.trainings)]
    if trained:
        found["`bnexp train quickstart`, by the clock"] = trained
    rows = []
    for side, seconds in found.items():
        interval, goal = Interval.of(seconds), GOALS.get(side)
        result = "" if goal is None else "met" if interval.median <= goal else "**missed**"
        rows.append((side, f"{interval:.2f}", "" if goal is None else f"{goal:g}", result))
    table = Table(("command", "seconds", "goal", ""), rows)
    more = f", of the quickstart {options.trainings}" if trained else ""
    notes = f"n = {options.rounds}{more}; medians [95 % intervals]."
    return Report({"startup": found}, [table], [notes])


def time_quickstart() -> float:
    """Returns the seconds that the quickstart's runs take from an empty folder.

    Raises:
        BenchmarkError: Not all of them were trained.
    """
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        time_command(["-m", "bnexp", "train", CONFIG, "--runs-dir", name], 0)
        seconds = time.perf_counter() - started
        runs = read_experiments(["quickstart"], Path(name))
        if {run.state for run in runs} != {"finished"}:
            raise BenchmarkError("the quickstart's runs are not finished")
    return seconds


def time_command(arguments: list[str], _: int) -> float:
    """Returns the CPU seconds of a Python process, children included, however busy the machine."""
    # With it, Python would compile bnexp again each time, as it does for no user.
    environment = {key: os.environ[key] for key in os.environ if key != "PYTHONDONTWRITEBYTECODE"}
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])

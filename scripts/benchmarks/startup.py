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

from PIL import Image

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

SMALL = (
    "name=start",
    "sweep.seeds=1",
    "train.epochs=1",
    "data.train_size=128",
    "data.test_size=64",
)
"""Settings of a training that ends at once."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--trainings", type=int, default=3, help="of the quickstart")


def measure(options: argparse.Namespace) -> Report:
    """Returns the CPU seconds of each command in each round."""
    with tempfile.TemporaryDirectory() as name:
        commands = list_commands(Path(name))
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
    notes = [
        "`train CONFIG` finds all runs done; `evaluate` and `predict` use its network.",
        f"n = {options.rounds}{more}; medians [95 % intervals].",
    ]
    return Report({"startup": found}, [table], notes)


def list_commands(folder: Path) -> dict[str, list[str]]:
    """Returns Python's arguments by name, of every command but `rm` and `tb`, a server.

    Below the folder, runs are made up and trained for them.
    """
    made_up, trained = folder / "made-up", folder / "trained"
    made_up.mkdir()
    run = next(make_runs(made_up, runs=20, rows=100).glob("[!_]*/seed=*"))
    small = [word for setting in SMALL for word in ("--set", setting)]
    train = ["train", CONFIG, *small, "--runs-dir", str(trained)]
    time_command(["-m", "bnexp", *train], 0)
    picture = folder / "picture.png"
    Image.new("RGB", (32, 32)).save(picture)
    own = str(next(trained.glob("start/[!_]*/seed=*")))
    commands = {
        "--help": ["--help"],
        "ls": ["ls", "--runs-dir", str(made_up)],
        "show RUN": ["show", str(run)],
        "check": ["check", "--runs-dir", str(trained)],
        "export NAME": ["export", "compared", "--runs-dir", str(made_up)],
        "compare": ["compare", "--runs-dir", str(made_up)],
        "init": ["init"],
        "schema": ["schema"],
        "data list": ["data", "list"],
        "study list": ["study", "list"],
        "plan CONFIG": ["plan", CONFIG, "--runs-dir", str(folder)],
        "show CONFIG": ["show", CONFIG],
        "doctor CONFIG": ["doctor", CONFIG],
        "train CONFIG": train,
        "evaluate RUN": ["evaluate", own],
        "predict RUN PICTURE": ["predict", own, str(picture)],
    }
    return {
        "`python -c pass`": ["-c", "pass"],
        "`import torch`": ["-c", "import torch"],
        **{f"`bnexp {name}`": ["-m", "bnexp", *words] for name, words in commands.items()},
    }


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

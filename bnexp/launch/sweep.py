"""Trains the remaining runs of an experiment: says which, launches them, says how they ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bnexp.config.load import Experiment
from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.ray import RayLauncher
from bnexp.launch.options import LaunchOptions
from bnexp.launch.plan import PlannedRun
from bnexp.launch.prepare import count_planned_steps, prepare, start_over
from bnexp.launch.screen.display import open_display
from bnexp.launch.screen.output import print_line
from bnexp.launch.screen.progress import RunSize, SweepProgress
from bnexp.launch.stop import StopSignal
from bnexp.runs import State
from bnexp.wording import command_to_paste, count, format_duration


def train_sweep(
    experiment: Experiment,
    planned: Sequence[PlannedRun],
    runs_dir: Path,
    options: LaunchOptions,
    console: Console,
) -> int:
    """Trains the runs that are left, seed by seed over all cells, and returns the exit code.

    Raises:
        UsageError: Nothing was started, since part of it cannot work.
        DataError: A dataset is missing or damaged.
    """
    is_here = options.launcher == "local"
    launcher = (
        LocalLauncher(options.jobs or 1) if is_here else RayLauncher(options.jobs, options.address)
    )
    with contextlib.closing(launcher):
        left = [run for run in planned if run.action != "skip"]
        # A machine that slows down slows all cells, not the last one.
        left.sort(key=lambda run: run.planned_seeds.index(run.spec.seed))
        to_do = launcher.place(left)
        done = len(planned) - len(to_do)
        prepare(to_do, _say_once(console), is_here)
        for line in _announce(experiment, done, to_do, runs_dir, launcher):
            print_line(console, line)
        to_do = start_over(to_do, _say_once(console))
        sizes = [RunSize.of(run.spec, count_planned_steps(run)) for run in to_do]
        progress = SweepProgress(sizes, launcher.jobs)
        with StopSignal() as stop:
            with open_display(console, progress) as show:
                ledger = Ledger(to_do, show, stop.is_set, options.is_failing_fast)
                launcher.train(ledger, stop)
            end = _describe_end(ledger.ended, len(to_do), done)
            print_line(console, f"{experiment.name}: {end}")
            return _conclude(ledger.ended, stop, len(to_do), console)


def _say_once(console: Console) -> Callable[[str], None]:
    said: set[str] = set()

    def say(line: str) -> None:
        if line not in said:
            said.add(line)
            print_line(console, line)

    return say


def _announce(
    experiment: Experiment,
    done: int,
    to_do: Sequence[PlannedRun],
    runs_dir: Path,
    launcher: LocalLauncher | RayLauncher,
) -> list[str]:
    """Returns what will be done, in how long about, and what the launcher says about itself."""
    cells, total = len(experiment.cells), done + len(to_do)
    seconds = launcher.estimate(to_do)
    # Starting processes and runs takes time too, which is not measured.
    time = (
        "duration unknown"
        if seconds is None
        else f"about {format_duration(round(seconds))} of training"
    )
    words = [
        f"{experiment.name}: {count(cells, 'cell')} × {count(total // cells, 'seed')}",
        f"{done} done",
        f"{len(to_do)} to do{_describe_begun(to_do)}",
        launcher.describe(to_do),
        time,
        f"into {runs_dir / experiment.name}",
    ]
    return [", ".join(words), *launcher.explain(to_do)]


def _describe_begun(to_do: Sequence[PlannedRun]) -> str:
    resumed = sum(run.action == "resume" for run in to_do)
    retried = sum(run.action == "retry" for run in to_do)
    words = [f"{resumed} of them from a checkpoint"] if resumed else []
    words += [f"{retried} started before, again from the start"] if retried else []
    return f" ({', '.join(words)})" if words else ""


def _describe_end(ended: Mapping[State, int], total: int, done: int) -> str:
    """Returns `4 finished, 2 interrupted, 6 not started, 3 already done`."""
    counts = [f"{count} {state}" for state, count in ended.items() if count]
    counts += [f"{left} not started"] if (left := total - sum(ended.values())) else []
    counts += [f"{done} already done"] if done else []
    return ", ".join(counts)


def _conclude(ended: Mapping[State, int], stop: StopSignal, total: int, console: Console) -> int:
    is_failed = ended.get("failed", 0) > 0
    is_taken_over = ended.get("pending", 0) > 0 and not stop.is_set()
    done = sum(ended.values()) - ended.get("interrupted", 0) - ended.get("pending", 0)
    is_left = done < total
    if is_left:
        why = "" if stop.is_set() or is_taken_over else " after the first failure (--fail-fast)"
        print_line(console, f"stopped{why}; the same command continues with the remaining runs:")
    elif is_failed:
        console.print("the same command tries the failed runs again:")
    if is_left or is_failed:
        # To paste, without what would start the runs over.
        words = ["bnexp", *(word for word in sys.argv[1:] if word != "--force")]
        console.print(f"  {command_to_paste(words)}")
    # A signal that came when everything was done has stopped nothing.
    return (stop.exit_code if is_left else 0) or int(is_failed or is_left)

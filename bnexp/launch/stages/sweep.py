"""Trains the remaining runs of a stage: says which, launches them, says how they ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rich.console import Console

from bnexp.launch.claims import note_planned_claims
from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.ray import RayLauncher
from bnexp.launch.options import LaunchOptions
from bnexp.launch.plan import PlannedRun
from bnexp.launch.prepare import check_conditions, count_planned_steps, prepare, start_over
from bnexp.launch.screen.display import open_display
from bnexp.launch.screen.output import print_line
from bnexp.launch.screen.progress import RunSize, SweepProgress
from bnexp.launch.stages.stages import Stage, place_of
from bnexp.launch.stop import StopSignal
from bnexp.runs import State
from bnexp.wording import command_to_paste, count, format_duration


class SweepTrainer:
    """Trains the stages of an experiment, one after the other, with one launcher.

    From the first run to its exit, a signal saves the runs in progress and ends the stage. With
    `can_fork`, this process must not have computed anything yet.
    """

    def __init__(self, options: LaunchOptions, console: Console, can_fork: bool = False) -> None:
        self._options = options
        self._can_fork = can_fork
        self._console = console
        self._is_profiling = options.is_profiling
        """Whether the first run is to be profiled and has not begun."""
        self._is_here = options.launcher == "local"
        self._stack = contextlib.ExitStack()
        self._stop: StopSignal | None = None
        self._say = _say_once(console)

    def __enter__(self) -> SweepTrainer:
        jobs, address = self._options.jobs, self._options.address
        launcher = (
            LocalLauncher(jobs, self._can_fork, self._say)
            if self._is_here
            else RayLauncher(jobs, address)
        )
        self._launcher = self._stack.enter_context(contextlib.closing(launcher))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def train(self, stage: Stage) -> int:
        """Trains the runs that are left, seed by seed over all cells, and returns the exit code.

        Raises:
            UsageError: Nothing was started, since part of it cannot work.
            DataError: A dataset is missing or damaged.
        """
        # A machine that slows down slows all cells, not the last one.
        left = sorted(stage.to_do, key=place_of)
        ahead = [run for run in stage.ahead if run.action != "skip"]
        done = len(stage.runs) - len(left)
        if self._stop and self._stop.is_set():  # while the next stage was decided on
            return _conclude({}, self._stop, len(left), self._console)
        graph = self._options.with_graph
        runs = [replace(run, with_graph=graph) for run in [*left, *ahead]]
        if self._is_profiling:
            runs[0] = replace(runs[0], is_profiled=True)
        prepare(runs, self._say, self._is_here)
        placed = self._launcher.place(runs, len(left))
        if self._is_here:
            check_conditions(placed)
        to_do = placed[: len(left)]
        for line in _announce(stage, done, to_do, self._launcher):
            print_line(self._console, line)
        if self._is_profiling:
            self._is_profiling = False
            print_line(self._console, f"--profile measures the first run, {to_do[0].spec.name}")
        to_do = start_over(placed, self._say)[: len(left)]
        note_planned_claims(to_do)
        sizes = [RunSize.of(run.spec, count_planned_steps(run)) for run in to_do]
        at_once = self._launcher.count_at_once(to_do)
        progress = SweepProgress(sizes, at_once, whole=self._options.whole)
        if self._stop is None:
            self._stop = self._stack.enter_context(StopSignal())
        with open_display(self._console, progress) as show:
            ledger = Ledger(to_do, show, self._stop.is_set, self._options.is_failing_fast)
            self._launcher.train(ledger, self._stop)
        end = _describe_end(ledger.ended, len(to_do), done)
        print_line(self._console, f"{stage.title}: {end}")
        return _conclude(ledger.ended, self._stop, len(to_do), self._console)


def _say_once(console: Console) -> Callable[[str], None]:
    said: set[str] = set()

    def say(line: str) -> None:
        if line not in said:
            said.add(line)
            print_line(console, line)

    return say


def _announce(
    stage: Stage, done: int, to_do: Sequence[PlannedRun], launcher: LocalLauncher | RayLauncher
) -> list[str]:
    """Returns what will be done, in how long about, and what the launcher says about itself."""
    cells, seeds = ({getattr(run.spec, key) for run in stage.runs} for key in ("cell", "seed"))
    seconds = launcher.estimate(to_do)
    # Starting processes and runs takes time too, which is not measured.
    time = (
        "duration unknown"
        if seconds is None
        else f"about {format_duration(round(seconds))} of training"
    )
    words = [
        f"{stage.title}: {count(len(cells), 'cell')} × {count(len(seeds), 'seed')}",
        f"{done} done",
        f"{len(to_do)} to do{_describe_begun(to_do)}",
        launcher.describe(to_do),
        time,
        f"into {stage.runs[0].folder.path.parent.parent}",
    ]
    return [", ".join(words), *launcher.explain(to_do)]


def _describe_begun(to_do: Sequence[PlannedRun]) -> str:
    resumed = sum(run.action in ("resume", "extend") for run in to_do)
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

"""The stages of an experiment: which runs are trained before the next decision about it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bnexp.analysis.claims.looks import ClaimProgress
from bnexp.config.load import Experiment
from bnexp.launch.plan import PlannedRun, plan_runs, plan_tuning
from bnexp.launch.stages.tuning import choose_values, describe_choices, note_choices
from bnexp.runs import RunRecord, read_run
from bnexp.runs.measured.diagnostics import read_claimed_diagnostics
from bnexp.wording import count

FindProgress = Callable[[Sequence[RunRecord]], ClaimProgress]
"""Returns how far the claims have come, from the runs at a look."""

MOST_NAMED = 4


@dataclass(frozen=True)
class Stage:
    """Runs that are trained together: what comes after them depends on what they find."""

    title: str
    """Names the experiment, and the stage if there are several."""
    runs: Sequence[PlannedRun]
    """Those that are done already too."""
    news: Sequence[str] = ()
    """What was decided before it."""
    ahead: Sequence[PlannedRun] = ()
    """Runs of later stages, if this is the first: what is wrong with them is wrong now."""

    @property
    def to_do(self) -> list[PlannedRun]:
        """The runs that are left."""
        return [run for run in self.runs if run.action != "skip"]


@dataclass(frozen=True)
class Plan:
    """The runs of an experiment, each with what to do for it."""

    experiment: Experiment
    runs: Sequence[PlannedRun]
    """The measured runs; as long as `experiment.tuning` is to be done, without its values."""
    tuning: Sequence[PlannedRun] = ()
    """The tuning runs, if there are any."""

    @property
    def every(self) -> list[PlannedRun]:
        """All runs, in the order in which they are trained."""
        return [*self.tuning, *self.runs]

    @property
    def settled(self) -> list[PlannedRun]:
        """The runs whose values are known: until tuning has chosen, the tuning runs alone."""
        return [*self.tuning] if self.experiment.tuning else self.every


def plan_experiment(
    experiment: Experiment, runs_dir: Path, is_forced: bool, may_differ: bool = False
) -> Plan:
    """Returns what to do for every run, with the values that tuning chose if it is finished.

    Raises:
        UsageError: A folder holds a run with another config, or one that is training now.
    """
    tuning: Sequence[PlannedRun] = ()
    if experiment.tuning:
        tuning = plan_tuning(experiment.tuning, runs_dir, is_forced, may_differ)
        is_done = all(run.action == "skip" for run in tuning)
        chosen = choose_values(experiment, experiment.tuning, tuning) if is_done else None
        experiment = chosen or experiment
    return Plan(experiment, plan_runs(experiment, runs_dir, is_forced, may_differ), tuning)


def find_stages(plan: Plan, runs_dir: Path, find_progress: FindProgress) -> Iterator[Stage]:
    """Yields the stages; each must have been trained to its end before the next is asked for.

    The same command goes through the same stages again: a decision depends on nothing but the
    runs of the stages before it.
    """
    experiment, planned = plan.experiment, plan.runs
    news: list[str] = []
    if plan.tuning:
        yield Stage(f"{experiment.name}, tuning", plan.tuning, ahead=planned)
        if experiment.tuning:
            chosen = choose_values(experiment, experiment.tuning, plan.tuning)
            assert chosen, "a stage is trained to its end"
            experiment = chosen
            may_differ = planned[0].may_differ
            planned = plan_runs(experiment, runs_dir, is_forced=False, may_differ=may_differ)
        note_choices(experiment, runs_dir)
        news = describe_choices(experiment)
    yield from _find_looks(experiment, planned, find_progress, news, bool(plan.tuning))


def leave_out_unneeded(plan: Plan, find_progress: FindProgress) -> tuple[Plan, list[str]]:
    """Returns the plan without runs that no claim needs, and what the looks so far decided.

    These are the looks of which all runs are done. Before the tuning is, there are none.
    """
    if plan.experiment.tuning:
        return plan, []
    needed: set[Path] = set()
    news: list[str] = []
    for stage in _find_looks(plan.experiment, plan.runs, find_progress, (), is_tuned=True):
        news += stage.news
        needed |= {run.folder.path for run in stage.runs}
        if stage.to_do:
            cells, last = {run.spec.cell for run in stage.runs}, max(map(place_of, stage.runs))
            later = [run for run in plan.runs if place_of(run) > last and run.spec.cell in cells]
            needed |= {run.folder.path for run in later}
            break
    runs = [run for run in plan.runs if run.action == "skip" or run.folder.path in needed]
    return replace(plan, runs=runs), news


def _find_looks(
    experiment: Experiment,
    planned: Sequence[PlannedRun],
    find_progress: FindProgress,
    news: Sequence[str],
    is_tuned: bool,
) -> Iterator[Stage]:
    looks = choose_looks(experiment)
    needed = {run.spec.cell for run in planned}
    for done, look in zip((0, *looks), looks, strict=False):
        new = [run for run in planned if done <= place_of(run) < look]
        runs = [run for run in new if run.spec.cell in needed]
        if done or is_tuned:
            runs = [replace(run, is_forced=False) for run in runs]  # deleted before the first stage
        title = experiment.name
        title += f", look at {count(look, 'seed')}" if len(looks) > 1 else ""
        ahead = [run for run in planned if place_of(run) >= look] if not (done or is_tuned) else []
        yield Stage(title, runs, news, ahead)
        if look == looks[-1]:
            return
        seen = [read_run(run.folder.path) for run in planned if place_of(run) < look]
        progress = find_progress(read_claimed_diagnostics(seen))
        needed = needed & progress.needed
        following = looks[looks.index(look) + 1]
        news = [
            _describe_look(look, following, replace(progress, needed=frozenset(needed)), planned)
        ]
        if not needed:
            yield Stage(title, [], news)
            return


def place_of(run: PlannedRun) -> int:
    """Returns how many seeds of its cell come before a run."""
    return run.planned_seeds.index(run.spec.seed)


def choose_looks(experiment: Experiment) -> tuple[int, ...]:
    """Returns after how many seeds a decision is made; without claims there is none to make."""
    every = len({run.seed for run in experiment.runs})
    return experiment.looks if experiment.looks and experiment.runs[0].config.claim else (every,)


def _describe_look(
    look: int, following: int, progress: ClaimProgress, planned: Sequence[PlannedRun]
) -> str:
    at = f"look at {count(look, 'seed')}"
    if not progress.needed:
        return f"{at}: every claim is decided; no more seeds are trained"
    cells = dict.fromkeys(run.spec.cell for run in planned)
    names = [cell for cell in cells if cell in progress.needed]
    shown = ", ".join(names[:MOST_NAMED])
    shown += f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    seeds = planned[0].planned_seeds[look:following]
    word = "seed" if len(seeds) == 1 else "seeds"
    numbers = " ".join(map(str, seeds))
    decided = f"{progress.decided} of {count(progress.claims, 'claim')} decided"
    return f"{at}: {decided}; training {shown} on with {word} {numbers}"

"""The stages of an experiment: which runs are trained before the next decision about it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bnexp.config.load import Experiment
from bnexp.launch.plan import PlannedRun
from bnexp.runs import RunRecord, read_run
from bnexp.wording import count

FindNeeded = Callable[[Sequence[RunRecord]], Iterable[str]]
"""Returns the cells that a claim which is not decided yet is about, from the runs at a look."""

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


def find_stages(
    experiment: Experiment, planned: Sequence[PlannedRun], find_needed: FindNeeded
) -> Iterator[Stage]:
    """Yields the stages; each must have been trained to its end before the next is asked for.

    The same command goes through the same stages again: a decision depends on nothing but the
    runs of the stages before it.
    """
    looks = choose_looks(experiment)
    needed = {run.spec.cell for run in planned}
    news: list[str] = []
    for done, look in zip((0, *looks), looks, strict=False):
        new = [run for run in planned if done <= place_of(run) < look]
        runs = [run for run in new if run.spec.cell in needed]
        if done:
            runs = [replace(run, is_forced=False) for run in runs]  # deleted before the first stage
        title = experiment.name
        title += f", look at {count(look, 'seed')}" if len(looks) > 1 else ""
        ahead = [run for run in planned if place_of(run) >= look] if not done else []
        yield Stage(title, runs, news, ahead)
        if look == looks[-1]:
            return
        seen = [read_run(run.folder.path) for run in planned if place_of(run) < look]
        needed = needed & {*find_needed(seen)}
        following = looks[looks.index(look) + 1]
        news = [_describe_look(look, following, needed, planned)]
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
    look: int, following: int, needed: set[str], planned: Sequence[PlannedRun]
) -> str:
    at = f"look at {count(look, 'seed')}"
    if not needed:
        return f"{at}: every claim is decided; no more seeds are trained"
    names = [cell for cell in dict.fromkeys(run.spec.cell for run in planned) if cell in needed]
    shown = ", ".join(names[:MOST_NAMED])
    shown += f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    seeds = planned[0].planned_seeds[look:following]
    word = "seed" if len(seeds) == 1 else "seeds"
    numbers = " ".join(map(str, seeds))
    return f"{at}: claims are undecided; training {shown} on with {word} {numbers}"

"""Chooses the tuned values of each cell, by what its tuning runs measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from bnexp.analysis.results import Trial
from bnexp.config.load import Candidate, Experiment, Tuning
from bnexp.config.sweep.choices import as_setting
from bnexp.errors import UsageError
from bnexp.launch.plan import PlannedRun
from bnexp.runs import ENDED, RunRecord, read_run
from bnexp.runs.run_dir import TUNING
from bnexp.runs.tuning_record import FILE, write_tunings
from bnexp.wording import write_value


def choose_values(
    experiment: Experiment, tuning: Tuning, planned: Sequence[PlannedRun]
) -> Experiment | None:
    """Returns the experiment with the best values of each cell; None if tuning runs are left.

    Raises:
        UsageError: A tuning run has not measured what is to be best.
    """
    records: dict[str, list[RunRecord]] = {}
    for run in planned:
        records.setdefault(run.spec.cell, []).append(read_run(run.folder.path))
    if any(run.state not in ENDED for runs in records.values() for run in runs):
        return None
    chosen: dict[str, tuple[Candidate, Mapping[str, Any]]] = {}
    for group in _group(tuning):
        tried = [one for one in group if one.is_tried]
        scores = [_score(tuning, members, records) for members in _combine(tried)]
        best = min(range(len(scores)), key=lambda index: _rank(tuning, scores, index))
        record = _describe(tuning, group[0], scores, scores[best])
        for cell in dict.fromkeys(one.cell for one in group):
            chosen[cell] = (_find(tuning, cell, best), record)
    return experiment.choose(chosen)


def _group(tuning: Tuning) -> list[list[Candidate]]:
    """Returns the candidates of the cells that use the same values, tried or not."""
    groups: dict[tuple[Any, ...], list[Candidate]] = {}
    for one in tuning.candidates:
        groups.setdefault(one.group, []).append(one)
    return [*groups.values()]


def _combine(group: Sequence[Candidate]) -> list[list[Candidate]]:
    """Returns the candidates of each combination, in the order of the combinations."""
    size = sum(one.cell == group[0].cell for one in group)
    return [[*group[index::size]] for index in range(size)]


def _find(tuning: Tuning, cell: str, index: int) -> Candidate:
    return [one for one in tuning.candidates if one.cell == cell][index]


def _score(
    tuning: Tuning, members: Sequence[Candidate], records: Mapping[str, Sequence[RunRecord]]
) -> Trial:
    runs = [record for one in members for record in records[one.runs[0].cell]]
    figures = []
    for run in runs:
        if run.state == "finished" and run.summary:
            if tuning.config.by not in run.summary.final:
                reason = "are there validation images? set data.val_size"
                raise UsageError(f"{run.path} has no {tuning.config.by} to tune by; {reason}")
            figures.append(run.summary.final[tuning.config.by])
    mean = fmean(figures) if figures else None
    return Trial(members[0].values, mean, len(figures), len(runs) - len(figures))


def _rank(tuning: Tuning, scores: Sequence[Trial], index: int) -> tuple[Any, ...]:
    """Returns what sorts the best first: none diverged, the best mean, then the smallest values."""
    score = scores[index]
    sign = -1 if tuning.config.by == "val/accuracy" else 1
    mean = float("inf") if score.mean is None else sign * score.mean
    return score.diverged, mean, *_places(tuning, score.values)


def _places(tuning: Tuning, values: Mapping[str, Any]) -> Iterator[float]:
    """Yields each value, or its place in the list if that is not all numbers."""
    for key, tried in tuning.config.over.items():
        yield values[key] if _is_numeric(tried) else tried.index(values[key])


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)


def _describe(
    tuning: Tuning, member: Candidate, scores: Sequence[Trial], best: Trial
) -> dict[str, Any]:
    """Returns what a measured run records of its tuning, one of whose candidates is `member`."""
    config = tuning.config
    shared = zip(config.each or (), member.group, strict=config.each is not None)
    over = {key: [*map(as_setting, tried)] for key, tried in config.over.items()}
    return {
        "over": over,
        "by": config.by,
        "seeds": [*config.seeds],
        "arm": {key: as_setting(value) for key, value in (config.only_in or {}).items()} or None,
        "each": {key: as_setting(value) for key, value in shared} or None,
        "chosen": _as_settings(best.values),
        "at_edge": [
            key
            for key, tried in config.over.items()
            if _is_numeric(tried) and best.values[key] in (min(tried), max(tried))
        ],
        "scores": [
            {
                "values": _as_settings(one.values),
                "mean": one.mean,
                "n": one.n,
                "diverged": one.diverged,
            }
            for one in scores
        ],
    }


def _as_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: as_setting(value) for key, value in values.items()}


def note_choices(experiment: Experiment, runs_dir: Path) -> None:
    """Writes beside the tuning runs what was chosen, which also holds for runs that stand already.

    Raises:
        UsageError: The file cannot be written.
    """
    folder = runs_dir / experiment.name / TUNING
    try:
        write_tunings(folder, {run.cell: run.tuning for run in experiment.runs})
    except OSError as error:
        raise UsageError(f"{folder / FILE} cannot be written: {error.strerror or error}") from error


def describe_choices(experiment: Experiment) -> list[str]:
    """Returns a line for each group of cells that share their values."""
    lines: dict[str, list[str]] = {}
    for run in {run.cell: run for run in experiment.runs}.values():
        record = run.tuning or {}
        words = [
            f"{key} {write_value(value)}"
            + " (at the edge: widen sweep.tune.over)" * (key in record["at_edge"])
            for key, value in record["chosen"].items()
        ]
        chosen = next(one for one in record["scores"] if one["values"] == record["chosen"])
        if diverged := chosen["diverged"]:
            words[-1] += f" ({diverged} of its {diverged + chosen['n']} tuning runs diverged)"
        lines.setdefault(", ".join(words), []).append(run.cell)
    return [f"tuned: {values} for {', '.join(cells)}" for values, cells in lines.items()]

"""Reads runs back from disk; what is damaged is named in the record, never raised."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bnexp.errors import UsageError, did_you_mean
from bnexp.runs.record import STATES, RunRecord, Summary, flatten
from bnexp.runs.run_dir import RunDir


def list_experiments(runs_dir: Path) -> list[Path]:
    """Returns the folders in `runs_dir` that hold runs, in alphabetical order."""
    if not runs_dir.is_dir():
        return []
    return sorted(path for path in runs_dir.iterdir() if path.is_dir() and any(_find_runs(path)))


def read_experiments(targets: Sequence[str], runs_dir: Path) -> tuple[RunRecord, ...]:
    """Returns the runs of the named experiments (or paths), or of the newest one.

    Runs come in the order in which their cells were planned, seeds rising.

    Raises:
        UsageError: There is no such experiment, or none at all.
    """
    folders = [_find(target, runs_dir) for target in targets] or [_newest(runs_dir)]
    found = dict.fromkeys(run for folder in folders for run in _find_runs(folder))
    return tuple(sorted((read_run(path) for path in found), key=_planned_order))


def read_run(path: Path) -> RunRecord:
    """Returns the record of one run's folder."""
    run = RunDir(path)
    problems: list[str] = []
    status = _read_json(run.status, problems)
    summary = _read_summary(run.summary, problems)
    state = status.get("state")
    if summary is not None:
        state = summary.status
    elif state in ("finished", "diverged"):
        problems.append(f"{run.status} says {state}, but there is no sound summary.json")
        state = "failed"
    settings, seed = status.get("settings"), status.get("seed")
    environment = _read_json(run.environment, problems)
    config = environment.pop("config", {})
    return RunRecord(
        path=path,
        experiment=str(status.get("experiment", path.parent.parent.name)),
        cell=str(status.get("cell", path.parent.name)),
        fingerprint=status.get("fingerprint"),
        cell_index=int(status.get("cell_index", 0)),
        seed=seed if isinstance(seed, int) else _seed_of(path),
        state=state if state in STATES else "pending",
        settings=settings if isinstance(settings, dict) else {},
        config=flatten(config) if config else {},
        environment=flatten(environment) if environment else {},
        summary=summary,
        heartbeat=status.get("heartbeat"),
        problems=tuple(problems),
    )


def _find(target: str, runs_dir: Path) -> Path:
    for folder in (runs_dir / target, Path(target)):
        if folder.is_dir() and any(_find_runs(folder)):
            return folder
    names = [path.name for path in list_experiments(runs_dir)]
    known = f"; there are {', '.join(names)}" if names else f"; {runs_dir} holds no runs"
    raise UsageError(f"no runs of '{target}'{did_you_mean(target, names) or known}")


def _newest(runs_dir: Path) -> Path:
    experiments = list_experiments(runs_dir)
    if not experiments:
        raise UsageError(f"no runs in {runs_dir}; train some first: bnexp train CONFIG")
    return max(experiments, key=lambda path: max(run.stat().st_mtime for run in _find_runs(path)))


def _find_runs(folder: Path) -> Iterator[Path]:
    """Yields run folders in an experiment's folder, a cell's folder, or the folder itself."""
    if folder.name.startswith("seed="):
        if (folder / "status.json").exists():
            yield folder
        return
    for pattern in ("*/seed=*/status.json", "seed=*/status.json"):
        yield from (status.parent for status in folder.glob(pattern))


def _planned_order(record: RunRecord) -> tuple[str, int, str, int]:
    return record.experiment, record.cell_index, record.cell, record.seed


def _read_numbers(values: Any) -> tuple[float, ...]:  # noqa: ANN401 - any JSON
    numbers = tuple(values)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError(f"{number!r} is not a number")
    return numbers


def _seed_of(path: Path) -> int:
    digits = path.name.removeprefix("seed=")
    return int(digits) if digits.isdecimal() else -1


def _read_json(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read: {error}")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path} holds no JSON object")
        return {}
    return content


def _read_summary(path: Path, problems: list[str]) -> Summary | None:
    content = _read_json(path, problems)
    if not content:
        return None
    known = {field.name for field in fields(Summary)}
    try:
        history = {tag: _read_numbers(values) for tag, values in content["history"].items()}
        found = {key: value for key, value in content.items() if key in known}
        summary = Summary(**{**found, "history": history})
        _read_numbers([*summary.final.values(), *summary.best.values()])
        if summary.status not in ("finished", "diverged"):
            raise ValueError(f"unknown status '{summary.status}'")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problems.append(f"{path} is not a summary: {error}")
        return None
    return summary

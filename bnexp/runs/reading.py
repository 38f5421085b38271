"""Reads runs back from disk; what is damaged is named in the record, never raised."""

from __future__ import annotations

import contextlib
import functools
import marshal
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bnexp.errors import UsageError, did_you_mean
from bnexp.files import decode_json, read_foreign
from bnexp.locks import is_held
from bnexp.runs.claim_record import ClaimRecord, read_record
from bnexp.runs.record import (
    STATES,
    RunRecord,
    Scalar,
    SharedMapping,
    State,
    Summary,
    find_contradiction,
    find_value,
    flatten,
)
from bnexp.runs.run_dir import ENDED, ENVIRONMENT, STATUS, SUMMARY, TUNING, RunDir
from bnexp.runs.seal import Seal
from bnexp.runs.tuning_record import read_tunings
from bnexp.system import map_on_cores

TRASH = ".trash-"
"""What the name of a folder that is being deleted starts with."""

_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "experiment": (str, "text"),
    "cell": (str, "text"),
    "seed": (int, "a number"),
    "settings": (dict, "a mapping"),
    "fingerprint": (str, "text"),
    "cell_index": (int, "a number"),
    "heartbeat": ((int, float), "a number"),
}
"""What a status.json says about its run besides the state: the type of each value, and its name."""

_BEGUN = ("running", "interrupted")
"""States of a run that has not ended and whose `environment.json` has been written."""

_MANY = 1000
"""Runs of which more are read by several processes: each takes a fifth of a millisecond."""

_SUMMARY = TypeAdapter(Summary)


def list_experiments(runs_dir: Path) -> list[Path]:
    """Returns the folders in `runs_dir` that hold runs, in alphabetical order."""
    try:
        if not runs_dir.is_dir():
            return []
    except (OSError, ValueError):  # a name that no folder can have
        return []
    return sorted(path for path in _list_folders(runs_dir) if any(find_every_run(path)))


def read_experiments(
    targets: Sequence[str],
    runs_dir: Path,
    *,
    with_config: bool = True,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[RunRecord, ...]:
    """Returns the runs of the named experiments (or paths), or of the newest one.

    Runs come in the order in which their cells were planned, seeds rising. Without
    `with_config` their config and environment are not read, which takes most of the time. If
    there are so many that other processes help to read them, this one calls `meanwhile` first.

    Tuning runs are an experiment of their own, `<name>/_tune`.

    Raises:
        UsageError: There is no such experiment, or none at all, or none with measured runs.
    """
    found = list_run_folders(targets, runs_dir)
    find_record = functools.cache(_find_claim_record)
    read = functools.partial(read_run, with_config=with_config, find_record=find_record)
    is_many = len(found) > _MANY
    records = map_on_cores(read, found, meanwhile) if is_many else [*map(read, found)]
    return tuple(
        sorted(records, key=lambda run: (run.experiment, run.cell_index, run.cell, run.seed))
    )


def list_run_folders(targets: Sequence[str], runs_dir: Path) -> tuple[Path, ...]:
    """Returns the folders of the runs that `read_experiments` reads.

    Raises:
        UsageError: As for `read_experiments`.
    """
    folders = [find_folder(target, runs_dir) for target in targets] or [_newest(runs_dir)]
    found = dict.fromkeys(run for folder in folders for run in find_runs(folder))
    if not found:
        name = folders[0].name
        raise UsageError(f"'{name}' has only tuning runs so far; bnexp ls {name} lists them")
    return tuple(found)


def _find_claim_record(cell: str) -> ClaimRecord:
    """Returns the record of claims of the runs folder that holds a cell's folder."""
    return read_record(RunDir(Path(cell, "seed")).runs_dir)


def read_run(
    path: Path,
    *,
    with_config: bool = True,
    find_record: Callable[[str], ClaimRecord] = _find_claim_record,
) -> RunRecord:
    """Returns the record of a run's folder; `with_config`, also its config, environment and claims.

    `find_record` returns the record of claims for a cell's folder.
    """
    problems: list[str] = []
    # Texts, since thousands of paths take longer than the files they lead to.
    folder = str(path)
    above, name = os.path.split(folder)
    experiment, cell = os.path.split(above)
    names = (os.path.split(experiment)[1], cell, name)
    status_path, summary_path = f"{folder}{os.sep}{STATUS}", f"{folder}{os.sep}{SUMMARY}"
    status = _parse_json(status_path, _read(status_path, problems), problems)
    if not status and not problems:
        problems.append(f"{status_path} is missing or empty")
    faults: list[str] = []
    """What leaves nothing to believe of the run's figures."""
    contents = {SUMMARY: _read(summary_path, faults)}
    summary = _parse_summary(summary_path, contents[SUMMARY], faults)
    if summary is None and not faults and status.get("state") in ENDED:
        faults.append(f"{status_path} says {status['state']}, but there is no sound summary.json")
    seal = Seal(folder) if summary else None
    known = _take_known(names, status or (seal.identity if seal else {}), status_path, problems)
    doubts = _describe_lost_rows(path, summary)
    conditions: dict[str, Any] = {}
    if with_config:
        found = [] if seal else faults  # what a seal reveals is named once
        environment_path = f"{folder}{os.sep}{ENVIRONMENT}"
        contents[ENVIRONMENT] = _read(environment_path, found)
        if contents[ENVIRONMENT] is None and status.get("state") in _BEGUN and not found:
            problems.append(f"{environment_path} is missing")
        conditions = _parse_environment(environment_path, contents[ENVIRONMENT], found)
        conditions |= _find_later_tuning(path, known["cell"], conditions, doubts)
        conditions |= _look_up(find_record(above), known.get("fingerprint"), summary)
    if seal and summary:
        broken = [seal.find_problem(name, content) for name, content in contents.items()]
        broken += [seal.find_other_identity(status)]
        broken += [_find_contradiction(path, summary, conditions.get("config", {}))]
        faults += [fault for fault in broken if fault][:1]
    state = "failed" if faults else _find_state(path, status, summary)
    return RunRecord(
        path=path,
        state=state,
        summary=None if faults else summary,
        is_damaged=bool(faults),
        is_silent=state == "running" and not is_held(RunDir(path).lock),
        is_outdated=state in ENDED and status.get("state") != state,
        problems=(*problems, *faults, *_find_misplacement(folder, names, known)),
        doubts=tuple(doubts),
        **known,
        **conditions,
    )


def _describe_lost_rows(path: Path, summary: Summary | None) -> list[str]:
    lost = (summary and summary.lost_rows) or ()
    metrics = RunDir(path).metrics if lost else None
    return [
        f"{metrics}: before the run was continued, {loss}; its diagnostics don't count"
        for loss in lost
    ]


def _look_up(
    record: ClaimRecord, fingerprint: str | None, summary: Summary | None
) -> dict[str, Any]:
    """Returns what the record of claims knows about a run."""
    return {
        "claims_on_record": record.find_claims(fingerprint, has_ended=summary is not None),
        "was_beside_others": record.was_beside_others(fingerprint),
    }


def _find_contradiction(path: Path, summary: Summary, config: Mapping[str, Scalar]) -> str | None:
    contradiction = find_contradiction(summary, config)
    return contradiction and f"{path / SUMMARY} contradicts itself: {contradiction}"


def _take_known(
    names: tuple[str, str, str], status: Mapping[str, Any], status_path: str, problems: list[str]
) -> dict[str, Any]:
    """Returns what a run says it is; the rest is taken from the names of its three folders."""
    experiment, cell, run = names
    digits = run.removeprefix("seed=")
    known: dict[str, Any] = {
        "experiment": experiment,
        "cell": cell,
        "seed": int(digits) if digits.isdecimal() else -1,
    }
    for key, (kind, word) in _KINDS.items():
        if key not in status:
            continue
        value = status[key]
        if isinstance(value, kind) and not isinstance(value, bool):
            known[key] = _flatten_alike(value) if value and isinstance(value, dict) else value
        else:
            problems.append(f"{status_path}: {key} must be {word}")
    return known


def _find_misplacement(
    folder: str, names: tuple[str, str, str], known: Mapping[str, Any]
) -> Iterator[str]:
    """Yields what a run says about itself that its folders' names contradict, e.g. after a copy."""
    for said, name in ((f"seed={known['seed']}", names[2]), (known["cell"], names[1])):
        if name not in ("", ".", "..", said):  # a relative path may not say
            yield f"{folder} holds a run whose status names it '{said}': was it copied or renamed?"


def _find_state(path: Path, status: Mapping[str, Any], summary: Summary | None) -> State:
    """Returns the run's state; a run without a status is running if somebody holds its lock."""
    if summary is not None:
        return summary.status
    if not status:
        return "running" if is_held(RunDir(path).lock) else "interrupted"
    state: State = status.get("state", "pending")
    return state if state in STATES else "pending"


def read_status(path: Path) -> dict[str, Any]:
    """Returns what a run's status.json says besides what the record holds: step, reason, pid.

    It is empty if it cannot be read; the record's problems say so.
    """
    status = str(RunDir(path).status)
    return _parse_json(status, _read(status, []), [])


def find_folder(target: str, runs_dir: Path) -> Path:
    """Returns the folder of that name, or path, of an experiment, a cell or a run.

    Raises:
        UsageError: There are no runs in such a folder.
    """
    with contextlib.suppress(OSError, ValueError):  # a name too long for a file, or with NUL
        for folder in (runs_dir / target, Path(target)):
            if folder.is_dir() and any(find_every_run(folder)):
                return folder
    parent, wrong = _find_first_wrong(target, runs_dir)
    names = [path.name for path in list_experiments(parent)]
    above = "" if parent == runs_dir else f"{parent.relative_to(runs_dir).as_posix()}/"
    known = f"; there are {', '.join(names)}" if names else ": there are no runs at all"
    hint = did_you_mean(wrong, names, above)
    raise UsageError(f"no runs of '{target}' in {runs_dir}{hint or known}")


def _find_first_wrong(target: str, runs_dir: Path) -> tuple[Path, str]:
    """Returns the deepest folder with runs on the way to a target, and what it does not hold."""
    path, parent = Path(target), runs_dir
    for word in path.relative_to(runs_dir).parts if path.is_relative_to(runs_dir) else path.parts:
        if word not in {path.name for path in list_experiments(parent)}:
            return parent, word
        parent /= word
    return runs_dir, target


def _newest(runs_dir: Path) -> Path:
    experiments = list_experiments(runs_dir)
    if not experiments:
        raise UsageError(f"no runs in {runs_dir}; train some first: bnexp train CONFIG")
    if len(experiments) == 1:
        return experiments[0]
    return max(
        experiments, key=lambda path: max(run.stat().st_mtime for run in find_every_run(path))
    )


def find_runs(folder: Path) -> Iterator[Path]:
    """Yields run folders in an experiment's folder, a cell's folder, or the folder itself."""
    yield from (path for path in _list_candidates(folder) if RunDir(path).is_begun)


def find_every_run(folder: Path) -> Iterator[Path]:
    """Yields the runs in a folder and, if it is that of an experiment, its tuning runs."""
    yield from find_runs(folder)
    yield from find_runs(folder / TUNING)


def _list_candidates(folder: Path) -> Iterator[Path]:
    if folder.name.startswith("seed="):
        yield folder
    for path in _list_folders(folder):
        yield from [path] if path.name.startswith("seed=") else _list_folders(path, "seed=")


def _list_folders(folder: Path, prefix: str = "") -> list[Path]:
    """Returns a folder's folders whose name starts with `prefix`, except those being deleted.

    Raises:
        UsageError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_folder(entry)]
    except (FileNotFoundError, NotADirectoryError):  # deleted in the meantime
        return []
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from error
    found = (name for name in names if name.startswith(prefix) and not name.startswith(TRASH))
    return [folder / name for name in found]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead in a circle
        return False


def _read(path: str, problems: list[str]) -> bytes | None:
    """Returns a file's content; None if there is no such file, or it cannot be read: then why."""
    try:
        return read_foreign(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror or error}")
        return None


def _parse_json(path: str, content: bytes | None, problems: list[str]) -> dict[str, Any]:
    if content is None:
        return {}
    try:
        value = decode_json(content)
    except ValueError as error:
        problems.append(f"{path} cannot be read: {error}")
        return {}
    if not isinstance(value, dict):
        problems.append(f"{path} is not a JSON object")
        return {}
    return value


def _parse_environment(path: str, content: bytes | None, problems: list[str]) -> dict[str, Any]:
    """Returns what a run ran on, its config, and the claims, which are no settings of it."""
    environment = _parse_json(path, content, problems)
    is_config = isinstance(environment.get("config"), dict)
    config = environment.pop("config") if is_config else {}
    claims = config.pop("claim", None) or ()
    return {
        "config": _flatten(config, "train.seed", config.get("train")),
        "environment": _flatten(environment, "created", environment),
        "claims": tuple(claim for claim in claims if isinstance(claim, dict)),
    }


def _flatten(tree: dict[str, Any], own: str, holder: Any) -> Mapping[str, Scalar]:  # noqa: ANN401
    """Returns the flattened tree; what thousands of runs share is flattened once.

    Args:
        tree: The tree.
        own: The dotted key of the one value that each run has of its own.
        holder: The mapping in the tree that has this value, if it is there.
    """
    key = own.rpartition(".")[2]
    if not (isinstance(holder, dict) and type(holder.get(key)) in (int, str)):
        return flatten(tree) if tree else {}
    value, holder[key] = holder[key], None
    return SharedMapping(_flatten_alike(tree), own, value)


def _flatten_alike(tree: dict[str, Any]) -> dict[str, Scalar]:
    """Returns the flattened tree, the same one for equal trees."""
    # The version of the format in which equal values, and no others, have equal bytes.
    return _flatten_marshalled(marshal.dumps(tree, 2))


@functools.lru_cache(maxsize=4096)
def _flatten_marshalled(tree: bytes) -> dict[str, Scalar]:
    return flatten(marshal.loads(tree))


def _find_later_tuning(
    path: Path,
    cell: str,
    conditions: Mapping[str, Mapping[str, Scalar]],
    doubts: list[str],
) -> dict[str, Any]:
    """Returns a run's environment with the tuning that last chose the values which the run has."""
    if "tuning.by" not in conditions.get("environment", {}):
        return {}
    tunings, problem = read_tunings(path.parent.parent / TUNING)
    doubts += [problem] if problem else []
    tuning = tunings.get(cell)
    if not isinstance(tuning, dict) or not isinstance(chosen := tuning.get("chosen"), dict):
        return {}
    config, environment = conditions.get("config", {}), conditions.get("environment", {})
    for key, value in chosen.items():
        if value not in (find_value(key, config), environment.get(f"tuning.chosen.{key}")):
            return {}
    others = {key: value for key, value in environment.items() if not key.startswith("tuning.")}
    return {"environment": {**others, **flatten(tuning, "tuning")}}


def _parse_summary(path: str, content: bytes | None, problems: list[str]) -> Summary | None:
    """Returns the summary, or None if there is none, or one that is damaged: then with why."""
    if content is None:
        return None
    try:
        return _SUMMARY.validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"{first['loc'][0]}: " if first["loc"] else ""
        fault = "cannot be read" if first["type"] == "json_invalid" else "is not a summary"
        problems.append(f"{path} {fault}: {place}{first['msg']}")
        return None

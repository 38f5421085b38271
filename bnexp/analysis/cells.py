"""Groups runs into cells, and finds the config keys that tell the cells apart."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnexp.analysis.differences.confounds import differing_config_keys, is_explained, unchecked_runs
from bnexp.errors import UsageError, did_you_mean
from bnexp.runs.record import RunRecord, Scalar, Summary, find_value

_MOST_TELLING = 3
"""More keys than these between experiments are named in a warning, not shown as columns."""


@dataclass(frozen=True)
class Cell:
    """One variant: its runs by ascending seed, and its value of every key shown that it has."""

    label: str
    settings: Mapping[str, Scalar]
    runs: tuple[RunRecord, ...]

    @functools.cached_property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs that finished."""
        return tuple(run for run in self.measured if run.state == "finished")

    @functools.cached_property
    def summaries(self) -> dict[int, Summary]:
        """What the measured runs found, by seed."""
        return {run.seed: run.summary for run in self.measured if run.summary}

    @functools.cached_property
    def measured(self) -> tuple[RunRecord, ...]:
        """The runs that finished or diverged, one per seed: those that a comparison stands on."""
        ended = (run for run in self.runs if run.state in ("finished", "diverged"))
        return tuple({run.seed: run for run in ended}.values())

    @functools.cached_property
    def unchecked(self) -> tuple[RunRecord, ...]:
        """The measured runs of which nobody can tell whether they were made like the others."""
        return unchecked_runs(self.measured)


def group_cells(records: Sequence[RunRecord]) -> tuple[Cell, ...]:
    """Returns the cells in order of first appearance.

    With several experiments a label is `<experiment>/<cell>`, with the folder in the
    experiment's place if two folders hold experiments of the same name.
    """
    prefixes = _experiment_prefixes(records)
    groups: dict[str, list[RunRecord]] = {}
    unique = {(str(run.path), run.experiment, run.cell, run.seed): run for run in records}
    for run in unique.values():
        groups.setdefault(prefixes[_folder(run)] + run.cell, []).append(run)
    swept = swept_keys(records)
    keys = (*swept, *_telling_keys(records, swept))
    return tuple(_cell(label, runs, keys) for label, runs in groups.items())


def swept_keys(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Returns the keys that any of the runs' cells sweeps.

    A part that one experiment sweeps as `model.norm` and another as `model.norm.name` is one
    key, the shorter. If nothing is swept, the single config key that differs between the
    runs, if there is just one, is what is being compared, so it counts as swept.
    """
    keys = dict.fromkeys(key for record in records for key in record.settings)
    if keys:
        parts = {key: key.removesuffix(".name") for key in keys}
        return tuple(dict.fromkeys(part if part in keys else key for key, part in parts.items()))
    causes = _causes(differing_config_keys(records))
    return causes if len(causes) == 1 else ()


def choose_baseline(cells: Sequence[Cell], name: str | None, place: str = "") -> Cell:
    """Returns the named cell; without a name the first one without a norm, else the first.

    A part of the name will do, such as `norm=none`, if one cell alone has it. `place`
    names the table among several, for the error.

    Raises:
        UsageError: No cell has that name, or several have it.
    """
    if name is None:
        return next((cell for cell in cells if _has_no_norm(cell)), cells[0])
    found = [cell for cell in cells if cell.label == name]
    found = found or [cell for cell in cells if cell.runs[0].cell == name]
    if len(found) == 1:
        return found[0]
    found = found or [cell for cell in cells if _parts(name) <= _parts(cell.runs[0].cell)]
    if len(found) == 1:
        return found[0]
    labels = [cell.label for cell in cells]
    reason = "matches several cells" if found else f"is unknown{did_you_mean(name, labels)}"
    there = f"{reason} in the table of {place}" if place else reason
    raise UsageError(f"--baseline: cell '{name}' {there}; the cells are {', '.join(labels)}")


def _parts(cell: str) -> set[str]:
    """Returns the settings that a cell's name spells, and their values alone."""
    parts = {part.strip() for part in cell.split(",")}
    return parts | {part.partition("=")[2] for part in parts if "=" in part}


def _causes(keys: Sequence[str]) -> tuple[str, ...]:
    """Returns the keys that no other of them explains."""
    return tuple(
        key for key in keys if not is_explained(key, [other for other in keys if other != key])
    )


def _telling_keys(records: Sequence[RunRecord], swept: Sequence[str]) -> tuple[str, ...]:
    """Returns the few keys, besides the swept ones, that tell several experiments apart."""
    experiments: dict[tuple[str, Path], list[RunRecord]] = {}
    for record in records:
        experiments.setdefault(_folder(record), []).append(record)
    if len(experiments) == 1:
        return ()
    mixed = {key for runs in experiments.values() for key in differing_config_keys(runs)}
    apart = [key for key in differing_config_keys(records) if not is_explained(key, swept)]
    keys = tuple(key for key in _causes(apart) if key not in mixed)
    return keys if len(keys) <= _MOST_TELLING else ()


def _folder(record: RunRecord) -> tuple[str, Path]:
    return record.experiment, record.experiment_folder


def _experiment_prefixes(records: Iterable[RunRecord]) -> dict[tuple[str, Path], str]:
    folders = list(dict.fromkeys(_folder(record) for record in records))
    if len(folders) == 1:
        return {folders[0]: ""}
    names = [name for name, _ in folders]
    return {(name, path): f"{name if names.count(name) == 1 else path}/" for name, path in folders}


def _cell(label: str, runs: list[RunRecord], keys: tuple[str, ...]) -> Cell:
    # Of two runs of one seed the last counts: the one that is where it says it belongs.
    ordered = tuple(sorted(runs, key=lambda run: (run.seed, not run.problems, str(run.path))))
    first = ordered[0]
    settings = {
        key: find_value(key, first.settings, first.config)
        for key in keys
        if not _is_of_another_part(key, first)
    }
    return Cell(label, settings, ordered)


def _is_of_another_part(key: str, run: RunRecord) -> bool:
    """Whether a run has no such key, e.g. `num_groups` if its norm is not group norm."""
    has_key = key in run.config or f"{key}.name" in run.config
    return bool(run.config) and not has_key and run.settings.get(key) is None


def is_norm_key(key: str) -> bool:
    """Returns whether the key says which norm a network has."""
    return f".{key}".endswith((".norm", ".norm.name"))


def _has_no_norm(cell: Cell) -> bool:
    return any(is_norm_key(key) and value == "none" for key, value in cell.settings.items())

"""What a study found, as plain data: all that a report on it takes, without its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import ConfigDict

from bnexp.analysis.cells import group_cells
from bnexp.analysis.claims.assess import find_attempts, find_unreadable_claims
from bnexp.analysis.claims.family import Attempt
from bnexp.analysis.metrics import count_images
from bnexp.analysis.results import Caveat
from bnexp.config.claim.config import ClaimConfig
from bnexp.runs.claim_record import claim_digest
from bnexp.runs.record import RunRecord, Scalar, State

_PAUSE = 60.0
"""Seconds between two runs that belong to the work: starting one, judging, loading data."""

_ACCURACY = "test/accuracy"


@dataclass(frozen=True)
class DeclaredClaim:
    """A claim as a report declares it, before or after it has a result."""

    digest: str
    """What it is known by: what it tests, with which seeds and looks."""
    statement: str
    source: str


@dataclass(frozen=True)
class Machine:
    """What the runs were trained on; several values if they differ."""

    processors: tuple[str, ...]
    cores: tuple[int, ...]
    devices: tuple[str, ...]
    threads: tuple[int, ...]


@dataclass(frozen=True)
class Code:
    """The state of the code that trained runs."""

    commit: str | None
    """None if bnexp was installed, not checked out."""
    is_dirty: bool | None
    """Whether the checkout had uncommitted changes."""


@dataclass(frozen=True)
class Pictures:
    """The dataset, and how many of its pictures runs used; None if they differ, or don't say."""

    name: str
    fingerprint: str | None
    train: int | None
    val: int | None
    test: int | None


@dataclass(frozen=True)
class StudyCell:
    """One variant: how its runs ended, and the last test accuracy of those that finished."""

    cell: str
    settings: Mapping[str, Scalar]
    statuses: Mapping[State, int]
    accuracies: Mapping[int, float]
    """By seed, in [0, 1]."""


@dataclass(frozen=True)
class StudyResult:
    """What a study found, and how: what its JSON file says."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")

    format: Literal[1]
    study: str
    number: int | None
    purpose: str
    tier: str
    ended: str
    """When the last of its runs ended, in UTC."""
    config: str
    """A digest of the configs of all its runs, its looks and claims; not of where the data is."""
    settings: tuple[str, ...]
    """What the command line replaced, as `key=value`."""
    versions: Mapping[str, tuple[str, ...]]
    machine: Machine
    code: tuple[Code, ...]
    pictures: Pictures
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    """Those that were planned; a claim may have been decided by fewer."""
    looks: tuple[int, ...]
    """Numbers of seeds after which claims were to be looked at; none if it was after all."""
    runs: Mapping[State, int]
    tuning_runs: Mapping[State, int]
    training_seconds: float
    """The time of all runs together."""
    wall_seconds: float
    """The time that passed while runs were trained, without longer pauses."""
    claims: tuple[DeclaredClaim, ...]
    cells: tuple[StudyCell, ...]
    attempts: tuple[Attempt, ...]
    """What the runs show of each claim, by its plans; a claim that was planned once has one."""
    caveats: tuple[Caveat, ...]
    refuted: str = ""
    """What would refute the claims, as the study's file says."""
    file: str = ""
    """The name of a user's own file; empty for a study that comes with bnexp."""


@dataclass(frozen=True)
class Setup:
    """What is known of a study before it is trained."""

    study: str
    number: int | None
    purpose: str
    refuted: str
    tier: str
    config: str
    settings: tuple[str, ...]
    claims: tuple[DeclaredClaim, ...]
    configs: tuple[ClaimConfig, ...]
    """The claims as the config has them."""
    seeds: tuple[int, ...]
    looks: tuple[int, ...]
    file: str = ""

    def put_texts(self, result: StudyResult) -> StudyResult:
        """Returns a result with statements, sources and published figures as they now are.

        They may change while a claim still tests the same. One that was recorded with several
        texts is one claim.
        """
        present = dict(zip((claim.digest for claim in self.claims), self.configs, strict=True))
        found: dict[str, Attempt] = {}
        for attempt in result.attempts:
            digest = digest_claim(attempt.claim, attempt.plan.seeds, attempt.plan.looks)
            claim = present.get(digest, attempt.claim)
            found.setdefault(digest, replace(attempt, claim=claim))
        return replace(
            result,
            claims=self.claims,
            purpose=self.purpose,
            refuted=self.refuted,
            attempts=tuple(found.values()),
        )


def digest_claim(claim: ClaimConfig, seeds: Sequence[int], looks: Sequence[int]) -> str:
    """Returns what a claim is known by: what it tests, with which seeds and looks."""
    return claim_digest(claim.model_dump(mode="json"), seeds, looks)


def describe_result(
    setup: Setup, measured: Sequence[RunRecord], tuning: Sequence[RunRecord]
) -> StudyResult:
    """Returns what the runs of a study found; those with claims about diagnostics have theirs."""
    every = [*measured, *tuning]
    environments = [run.environment for run in every]
    cells = group_cells(measured)
    seconds = [run.summary.elapsed_seconds for run in every if run.summary]
    found = StudyResult(
        format=1,
        study=setup.study,
        number=setup.number,
        purpose=setup.purpose,
        tier=setup.tier,
        ended=_find_end(every),
        config=setup.config,
        settings=setup.settings,
        versions={
            name: _texts(environments, f"versions.{name}") for name in ("bnexp", "python", "torch")
        },
        machine=Machine(
            processors=_texts(environments, "processor"),
            cores=_numbers(environments, "cpu_count"),
            devices=_texts(environments, "device.name"),
            threads=_numbers(environments, "threads"),
        ),
        code=tuple(dict.fromkeys(map(_read_code, environments))),
        pictures=_describe_pictures(measured),
        epochs=_numbers([run.config for run in measured], "train.epochs"),
        seeds=setup.seeds,
        looks=setup.looks,
        runs=Counter(run.state for run in measured),
        tuning_runs=Counter(run.state for run in tuning),
        training_seconds=round(sum(seconds), 1),
        wall_seconds=round(_measure_wall_time(every), 1),
        claims=setup.claims,
        cells=tuple(
            StudyCell(
                cell.label,
                dict(cell.settings),
                Counter(run.state for run in cell.runs),
                {
                    run.seed: run.summary.final[_ACCURACY]
                    for run in cell.finished
                    if run.summary and _ACCURACY in run.summary.final
                },
            )
            for cell in cells
        ),
        attempts=tuple(find_attempts(cells)),
        caveats=find_unreadable_claims(measured),
        file=setup.file,
    )
    return setup.put_texts(found)


def _find_end(runs: Iterable[RunRecord]) -> str:
    """Returns when the last of the runs ended; the epoch's beginning if none says."""
    last = max((run.heartbeat or 0.0 for run in runs if run.summary), default=0.0)
    return datetime.fromtimestamp(last, UTC).isoformat(timespec="seconds")


def _measure_wall_time(runs: Iterable[RunRecord]) -> float:
    """Returns the seconds in which runs were trained; a short pause between two counts."""
    ended = [(run.heartbeat, run.summary) for run in runs]
    spans = sorted(
        (end - summary.elapsed_seconds, end) for end, summary in ended if end and summary
    )
    seconds, last = 0.0, None
    for start, end in spans:
        begun = start if last is None or start - last > _PAUSE else last
        seconds += max(0.0, end - begun)
        last = end if last is None else max(last, end)
    return seconds


def _describe_pictures(runs: Sequence[RunRecord]) -> Pictures:
    environments = [run.environment for run in runs]
    fingerprints = _texts(environments, "dataset.fingerprint")
    train, val, test = (
        _only({count_images(run, images) for run in runs}) for images in ("train", "val", "test")
    )
    return Pictures(
        name=" and ".join(_texts(environments, "dataset.name")),
        fingerprint=fingerprints[0] if len(fingerprints) == 1 else None,
        train=train,
        val=val,
        test=test,
    )


def _read_code(environment: Mapping[str, Scalar]) -> Code:
    commit, is_dirty = environment.get("git.commit"), environment.get("git.dirty")
    return Code(
        commit if isinstance(commit, str) else None,
        is_dirty if isinstance(is_dirty, bool) else None,
    )


def _texts(mappings: Iterable[Mapping[str, Scalar]], key: str) -> tuple[str, ...]:
    found = (mapping.get(key) for mapping in mappings)
    return tuple(dict.fromkeys(value for value in found if isinstance(value, str)))


def _numbers(mappings: Iterable[Mapping[str, Scalar]], key: str) -> tuple[int, ...]:
    found = (mapping.get(key) for mapping in mappings)
    return tuple(dict.fromkeys(value for value in found if type(value) is int))


def _only(values: Set[int | None]) -> int | None:
    return next(iter(values)) if len(values) == 1 else None

"""Notes in the runs folder which claims stood before which runs had results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bnexp.config.claim.config import TIMES
from bnexp.config.load import Experiment
from bnexp.errors import UsageError
from bnexp.launch.plan import PlannedRun
from bnexp.runs.claim_record import claim_digest, note_claims, note_extended
from bnexp.runs.run_dir import TUNING


def digest_claims(run: PlannedRun) -> dict[str, Mapping[str, Any]]:
    """Returns the claims of a run's experiment by what they are known by: with seeds and looks."""
    seeds = run.planned_seeds
    looks = run.planned_looks or (len(seeds),)
    claims = [claim.model_dump(mode="json") for claim in run.spec.config.claim]
    return {claim_digest(claim, seeds, looks): claim for claim in claims}


def note_planned_claims(runs: Sequence[PlannedRun]) -> None:
    """Notes the claims as they now stand, with the planned seeds, before these runs are trained.

    Tuning runs are not what a claim is about.

    Raises:
        UsageError: The record cannot be written.
    """
    if not runs or runs[0].folder.path.parent.parent.name == TUNING:
        return
    runs_dir, claims = runs[0].folder.runs_dir, digest_claims(runs[0])
    if not claims:
        return
    with _reporting(runs_dir):
        runs_dir.mkdir(parents=True, exist_ok=True)
        note_extended(runs_dir, [run.spec.config.fingerprint() for run in runs if run.spec.extends])
        note_claims(runs_dir, [*claims], [run.spec.config.fingerprint() for run in runs])


def note_declared_claims(runs_dir: Path, claims: Sequence[str], experiment: Experiment) -> None:
    """Notes claims, by their digests, about all runs that an experiment may come to.

    So they stand before results that another experiment with the same runs has first.

    Raises:
        UsageError: The record cannot be written.
    """
    with _reporting(runs_dir):
        runs_dir.mkdir(parents=True, exist_ok=True)
        note_claims(runs_dir, claims, [one.fingerprint() for one in experiment.list_possible()])


@contextmanager
def _reporting(runs_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"the record of claims in {runs_dir} cannot be written: {error.strerror or error}"
        ) from error


def is_about_time(planned: Sequence[PlannedRun]) -> bool:
    """Whether a claim is about a time, which takes runs that nothing else slows down."""
    return any(claim.metric in TIMES for claim in planned[0].spec.config.claim)

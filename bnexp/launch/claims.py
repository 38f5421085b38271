"""Notes in the runs folder which claims stood before which runs had results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnexp.config.claim.config import TIMES
from bnexp.errors import UsageError
from bnexp.launch.plan import PlannedRun
from bnexp.runs.claim_record import claim_digest, note_claims


def note_planned_claims(planned: Sequence[PlannedRun], runs_dir: Path) -> None:
    """Notes the claims of an experiment as they now stand, with the seeds that are planned.

    Nothing is noted if there is nothing left to train.

    Raises:
        UsageError: The record cannot be written.
    """
    first = planned[0]
    if all(run.action == "skip" for run in planned):
        return
    seeds = first.planned_seeds
    looks = first.planned_looks or (len(seeds),)
    claims = [claim.model_dump(mode="json") for claim in first.spec.config.claim]
    digests = [claim_digest(claim, seeds, looks) for claim in claims]
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        note_claims(runs_dir, digests, [run.spec.config.fingerprint() for run in planned])
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"the record of claims in {runs_dir} cannot be written: {reason}"
        ) from error


def is_about_time(planned: Sequence[PlannedRun]) -> bool:
    """Whether a claim is about a time, which takes runs that nothing else slows down."""
    return any(claim.metric in TIMES for claim in planned[0].spec.config.claim)

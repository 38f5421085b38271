"""The verdicts of all studies of a report, judged as one family, from what is stored of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bnexp.analysis.claims.family import Group, conclude_together
from bnexp.analysis.results import ClaimResult
from bnexp.errors import UsageError
from bnexp.reports.words.claims import ClaimText, describe_claim
from bnexp.studies.result import DeclaredClaim, StudyResult
from bnexp.studies.results_folder import DeclaredStudy, Family, ResultsFolder

NOT_RUN = "not run yet"


@dataclass(frozen=True)
class StudyPart:
    """One study of a report: what it declared and, if it was trained, what it found."""

    declared: DeclaredStudy
    result: StudyResult | None
    claims: tuple[ClaimResult, ...]
    """With their verdicts; empty without a result."""
    absence: str = ""
    """Why there is no result."""

    @property
    def title(self) -> str:
        """`1 learning-rate-ceiling`, or the name alone if it has no number."""
        number, name = self.declared.number, self.declared.study
        return name if number is None else f"{number} {name}"


@dataclass(frozen=True)
class StudyReport:
    """What a report says: every study of the family, in the order of their numbers."""

    family: Family
    parts: tuple[StudyPart, ...]

    @property
    def rows(self) -> list[tuple[StudyPart, ClaimText | DeclaredClaim]]:
        """A claim per row: with what is said of it, or as it was declared."""
        return [(part, row) for part in self.parts for row in _list_rows(part)]


def build_report(folder: ResultsFolder) -> StudyReport:
    """Returns the report over the whole declared family, of which some may not have been run.

    Raises:
        UsageError: No family is declared there, or a file cannot be read.
    """
    family = folder.read_family()
    if family is None:
        raise UsageError(f"there is no report in {folder.path}; train studies first")
    studies = sorted(family.studies, key=lambda one: (one.number is None, one.number or 0))
    found = [_find_result(folder, study) for study in studies]
    groups = [
        Group(result.attempts if result else (), len(study.claims))
        for study, (result, _) in zip(studies, found, strict=True)
    ]
    parts = tuple(
        StudyPart(study, result, claims, absence)
        for study, (result, absence), claims in zip(
            studies, found, conclude_together(groups), strict=True
        )
    )
    return StudyReport(family, parts)


def _find_result(folder: ResultsFolder, study: DeclaredStudy) -> tuple[StudyResult | None, str]:
    """Returns the result of the claims as they were declared, or why there is none."""
    result = folder.read_result(study.study)
    if result is None:
        return None, NOT_RUN
    if [claim.digest for claim in result.claims] != study.digests:
        return None, f"{NOT_RUN}; what was run had other claims or seeds"
    return result, ""


def _list_rows(part: StudyPart) -> Iterator[ClaimText | DeclaredClaim]:
    yield from map(describe_claim, part.claims)
    if part.result is None:
        yield from part.declared.claims

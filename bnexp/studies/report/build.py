"""The verdicts of all studies of a report, judged as one family, from what is stored of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bnexp.analysis.claims.family import Group, conclude_together
from bnexp.analysis.results import ClaimResult, ClaimVerdict
from bnexp.errors import UsageError
from bnexp.studies.result import StudyResult, digest_claim
from bnexp.studies.results_folder import DeclaredStudy, Family, ResultsFolder
from bnexp.studies.shown import ShownFigure, ShownFiles

NOT_RUN = "not run yet"


@dataclass(frozen=True)
class StudyPart:
    """One study of a report: what it declared and, if it was trained, what it found."""

    declared: DeclaredStudy
    result: StudyResult | None
    claims: tuple[ClaimResult, ...]
    """With their verdicts, judged in the whole family; empty without a result."""
    absence: str = ""
    """Why there is no result."""
    shown: ShownFiles = field(default_factory=ShownFiles)
    """The files beside the result: its comparison, and a figure of each claim."""

    @property
    def digests(self) -> list[str]:
        """What each of the claims is known by."""
        attempts = self.result.attempts if self.result else ()
        return [digest_claim(one.claim, one.plan.seeds, one.plan.looks) for one in attempts]

    @property
    def named_figures(self) -> dict[str, ShownFigure]:
        """All figures by name: `claim_2`, `overview_1`."""
        claims = enumerate(map(self.shown.figures.get, self.digests), start=1)
        others = enumerate(self.shown.overviews, start=1)
        named = {f"claim_{place}": figure for place, figure in claims if figure is not None}
        return named | {f"overview_{place}": figure for place, figure in others}

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
    def verdicts(self) -> Mapping[ClaimVerdict, int]:
        """How many claims have which verdict."""
        return Counter(claim.verdict for part in self.parts for claim in part.claims)

    @property
    def open_claims(self) -> int:
        """How many claims have no result yet."""
        return sum(len(part.declared.claims) for part in self.parts if part.result is None)

    @property
    def results_before(self) -> int:
        """How many studies had their results before the family was declared as it stands."""
        ended = [part.result.ended for part in self.parts if part.result]
        return sum(moment < self.family.declared for moment in ended)


def build_report(folder: ResultsFolder) -> StudyReport:
    """Returns the report over the whole declared family, of which some may not have been run.

    Raises:
        UsageError: No family is declared there, or a file cannot be read.
    """
    family = folder.read_family()
    if family is None:
        raise UsageError(
            f"there is no report in {folder.path}: no studies were declared; train some "
            "(bnexp study NAME…), or name another folder (--results DIR)"
        )
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


def describe_verdicts(folder: ResultsFolder) -> dict[str, str]:
    """Returns how the claims of each declared study came out: `2 supported, 1 inconclusive`.

    Raises:
        UsageError: A file cannot be read.
    """
    if folder.read_family() is None:
        return {}
    found = {}
    for part in build_report(folder).parts:
        counts = Counter(claim.verdict for claim in part.claims)
        words = [f"{number} {verdict}" for verdict, number in counts.items()]
        found[part.declared.study] = part.absence or ", ".join(words)
    return found


def _find_result(folder: ResultsFolder, study: DeclaredStudy) -> tuple[StudyResult | None, str]:
    """Returns the result of the claims as they were declared, or why there is none."""
    result = folder.read_result(study.study)
    if result is None:
        return None, NOT_RUN
    if [claim.digest for claim in result.claims] != study.digests:
        return None, f"{NOT_RUN}: what was run had other claims or seeds"
    return result, ""

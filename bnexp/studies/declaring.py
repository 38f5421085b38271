"""Which studies a report is about: settled before any of them is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bnexp.errors import UsageError
from bnexp.studies.result import Setup
from bnexp.studies.results_folder import FAMILY, DeclaredStudy, Family, ResultsFolder
from bnexp.wording import name_some

_ELSEWHERE = "report elsewhere (--results DIR), or declare all studies again at once"
_HOW = "(bnexp study NAME… --declare); results whose claims are unchanged stay valid"


def declare(folder: ResultsFolder, setups: Sequence[Setup], tier: str) -> Family:
    """Writes down that the report is about these studies, whatever it was about before.

    Raises:
        UsageError: The folder cannot be written, or a study cannot have its name there.
    """
    for setup in setups:
        if f"{setup.study}.json" == FAMILY:
            raise UsageError(f"a study cannot be called '{setup.study}'; rename it")
    family = Family(
        format=1,
        tier=tier,
        declared=datetime.now(UTC).isoformat(timespec="seconds"),
        studies=tuple(DeclaredStudy(one.study, one.number, one.claims) for one in setups),
    )
    folder.write_family(family)
    return family


def find_family(folder: ResultsFolder, setups: Sequence[Setup], tier: str) -> Family:
    """Returns the family that these studies belong to; if there is none, they are declared as one.

    Raises:
        UsageError: The folder's family is of another tier, lacks one of the studies, or has it
            with other claims.
    """
    family = folder.read_family()
    if family is None:
        return declare(folder, setups, tier)
    if family.tier != tier:
        raise UsageError(
            f"{folder.family} is about the tier {family.tier}, not {tier}; {_ELSEWHERE} {_HOW}"
        )
    for setup in setups:
        _check(folder, family, setup)
    return _put_texts(folder, family, setups)


def _check(folder: ResultsFolder, family: Family, setup: Setup) -> None:
    declared = family.find(setup.study)
    if declared is None:
        names = name_some(study.study for study in family.studies)
        raise UsageError(
            f"'{setup.study}' is not among the studies that {folder.family} declares ({names}),"
            f" over which verdicts are corrected; {_ELSEWHERE} {_HOW}"
        )
    if declared.digests != [claim.digest for claim in setup.claims]:
        raise UsageError(
            f"the claims of '{setup.study}', or their seeds, have changed since "
            f"{folder.family} declared them; {_ELSEWHERE} {_HOW}"
        )


def _put_texts(folder: ResultsFolder, family: Family, setups: Sequence[Setup]) -> Family:
    """Returns the family with statements and sources as they now are, and writes it if need be."""
    present = {setup.study: setup for setup in setups}
    studies = tuple(
        replace(one, claims=present[one.study].claims) if one.study in present else one
        for one in family.studies
    )
    if studies != family.studies:
        family = replace(family, studies=studies)
        folder.write_family(family)
    return family

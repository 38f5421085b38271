"""The report on studies as JSON: the contract that scripts read; keys are added, never renamed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bnexp.reports.json import write_json
from bnexp.studies.report.build import NOT_RUN, StudyPart, StudyReport

_HOW = (
    "purpose",
    "ended",
    "settings",
    "versions",
    "machine",
    "code",
    "pictures",
    "epochs",
    "seeds",
    "looks",
    "runs",
    "tuning_runs",
    "training_seconds",
    "wall_seconds",
)
"""What a study says of how it was run, each key as in its result."""


def render_studies_json(report: StudyReport) -> str:
    """Returns one JSON object; a figure that doesn't exist is null, never NaN."""
    family = report.family
    verdicts: dict[str, int] = {str(name): number for name, number in report.verdicts.items()}
    verdicts[NOT_RUN] = report.open_claims
    return write_json(
        {
            "tier": family.tier,
            "declared": family.declared,
            "family": {"studies": len(family.studies), "claims": family.size},
            "verdicts": verdicts,
            "results_before_declaration": report.results_before,
            "studies": tuple(map(_describe, report.parts)),
        }
    )


def _describe(part: StudyPart) -> dict[str, Any]:
    result, declared = part.result, part.declared
    how = {key: value for key, value in asdict(result).items() if key in _HOW} if result else {}
    return {
        "study": declared.study,
        "number": declared.number,
        "is_run": result is not None,
        "absence": part.absence or None,
        **{key: how.get(key) for key in _HOW},
        "declared_claims": tuple(map(asdict, declared.claims)),
        "claims": part.claims,
        "caveats": result.caveats if result else (),
        "comparison": part.shown.comparison,
        "figures": {digest: figure.file for digest, figure in part.shown.figures.items()},
    }

"""The verdict of a comparison as HTML: claims or clear sentences first, then the warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bnexp.analysis.results import Caveat, ClaimResult, ClaimVerdict, Comparison, Verdict
from bnexp.reports.html.charts import render_claim_effect
from bnexp.reports.html.markup import Markup, breakable, join, tag
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.phrases import CellName
from bnexp.reports.words.sentences import CellText, describe_cells
from bnexp.wording import count

SIGNS: Mapping[Verdict, str] = {
    "better": "▲",
    "worse": "▼",
    "higher": "▲",
    "lower": "▼",
    "equivalent": "≈",
    "no clear difference": "○",
    "identical": "=",
    "confounded": "!",
    "not tested": "–",
}
"""A sign for each verdict, so that grey print tells them apart; always beside the word."""

_CLAIM_SIGNS: Mapping[ClaimVerdict, str] = {
    "supported": "✓",
    "contradicted": "✗",
    "equivalent": "≈",
    "inconclusive": "?",
}
_RANKS: Mapping[Verdict, int] = {
    **dict.fromkeys(("better", "worse", "higher", "lower"), 0),
    **dict.fromkeys(("equivalent", "identical"), 1),
}
_UNCLEAR = 2
"""The rank of every verdict that leaves the question open; it comes last."""

_MOST_LARGE = 4
"""Clear sentences that are set large; more of them would shout."""


def render_verdict(comparison: Comparison) -> Markup:
    """Returns the claims, then a sentence for each cell (clear ones first), then the warnings."""
    return join(
        (
            *(_claim(claim) for claim in comparison.claims),
            _sentences(comparison),
            _warnings(comparison.caveats),
        )
    )


def _claim(claim: ClaimResult) -> Markup:
    described = describe_claim(claim)
    drawing = render_claim_effect(claim)
    return tag(
        "article",
        tag("p", _sign(_CLAIM_SIGNS[claim.verdict]), claim.verdict.capitalize(), class_="stamp"),
        tag("p", claim.claim.statement, class_="statement"),
        tag("p", breakable(described.evidence), class_="evidence") if described.evidence else "",
        tag("div", drawing, class_="strip") if drawing else "",
        tag("ul", *(tag("li", note) for note in described.notes), class_="notes"),
        class_=f"claim {claim.verdict}",
    )


def _sentences(comparison: Comparison) -> Markup:
    ranked = sorted(describe_cells(comparison), key=_rank)
    clear = [cell for cell in ranked if _rank(cell) < _UNCLEAR]
    is_large = len(clear) <= _MOST_LARGE and not comparison.claims
    items = [
        tag(
            "li",
            _sign(SIGNS[cell.verdict or "not tested"]),
            tag("div", *_sentence(cell)),
            class_="large" if is_large and cell in clear else "small",
        )
        for cell in ranked
    ]
    heading = tag("p", "Each cell against the baseline:", class_="muted")
    return join((heading if comparison.claims else "", tag("ul", *items, class_="verdicts")))


def _sentence(cell: CellText) -> Iterable[Markup]:
    """Yields the claim with each cell's name set apart, and below it what it rests on."""
    pieces = (
        tag("b", breakable(piece), class_="cell") if isinstance(piece, CellName) else piece
        for piece in cell.claim
    )
    yield tag("p", *pieces, f"{cell.reservation}.")
    evidence = (f"{', '.join(cell.evidence)}.",) if cell.evidence else ()
    if evidence or cell.caveats:
        yield tag("p", " ".join((*evidence, *cell.caveats)), class_="evidence")


def _rank(cell: CellText) -> int:
    return _UNCLEAR if cell.verdict is None else _RANKS.get(cell.verdict, _UNCLEAR)


def _sign(sign: str) -> Markup:
    return tag("span", sign, class_="sign", aria_hidden="true")


def _warnings(caveats: Sequence[Caveat]) -> Markup:
    if not caveats:
        return Markup()
    return tag(
        "aside",
        tag("p", _sign("⚠"), count(len(caveats), "warning"), class_="stamp"),
        tag("ul", *(tag("li", breakable(caveat.text)) for caveat in caveats)),
        class_="warnings",
    )

"""The verdict of a comparison as HTML: claims or clear sentences first, then the warnings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from bnexp.analysis.results import ClaimResult, ClaimVerdict, Comparison, Verdict
from bnexp.reports.html.effects import render_claim_effect
from bnexp.reports.html.markup import Markup, breakable, glue, join, tag, text
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.labels import cell_labels
from bnexp.reports.words.sentences import describe_cells
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
"""The rank of every verdict that leaves the question open; it is told last."""

_MOST_LARGE = 4
"""Clear sentences that are set large; more of them would shout."""

_EVIDENCE = re.compile(r"(?P<before>.*?) \((?P<evidence>(?:95 %|p [=<]|\d+ )[^()]*)\)(?P<after>.*)")


def render_verdict(comparison: Comparison) -> Markup:
    """Returns the claims, then a sentence for each cell (clear ones first), then the warnings."""
    return join(
        (
            *(_claim(claim) for claim in comparison.claims),
            _sentences(comparison),
            _warnings(comparison.warnings),
        )
    )


def mark_names(sentence: str, names: Iterable[str]) -> Markup:
    """Returns the sentence with each cell's name set apart."""
    known = sorted((re.escape(name) for name in names), key=len, reverse=True)
    pieces = re.split(f"(?<![^ ])({'|'.join(known)})(?![A-Za-z0-9=])", sentence)
    return join(
        tag("b", breakable(piece), class_="cell") if index % 2 else text(piece)
        for index, piece in enumerate(pieces)
    )


def _claim(claim: ClaimResult) -> Markup:
    described = describe_claim(claim)
    drawing = render_claim_effect(claim)
    return tag(
        "article",
        tag("p", _sign(_CLAIM_SIGNS[claim.verdict]), claim.verdict.capitalize(), class_="stamp"),
        tag("p", claim.statement, class_="statement"),
        tag("p", breakable(glue(described.evidence)), class_="evidence")
        if described.evidence
        else "",
        tag("div", drawing, class_="strip") if drawing else "",
        tag("ul", *(tag("li", glue(note)) for note in described.notes), class_="notes"),
        class_=f"claim {claim.verdict}",
    )


def _sentences(comparison: Comparison) -> Markup:
    names = cell_labels(comparison).values()
    ranked = sorted(_with_verdicts(comparison), key=lambda pair: _rank(pair[1]))
    clear = [verdict for _, verdict in ranked if _rank(verdict) < _UNCLEAR]
    large = clear if len(clear) <= _MOST_LARGE and not comparison.claims else []
    items = [
        tag(
            "li",
            _sign(SIGNS[verdict]),
            tag("div", _sentence(sentence, names)),
            class_="large" if verdict in large else "small",
        )
        for sentence, verdict in ranked
    ]
    heading = tag("p", "Each cell against the baseline:", class_="muted")
    listed = tag("ul", *items, class_="verdicts")
    return heading + listed if comparison.claims and items else listed if items else Markup()


def _with_verdicts(comparison: Comparison) -> list[tuple[str, Verdict]]:
    """Returns each sentence with the verdict of the cell that it begins with."""
    labels = cell_labels(comparison)
    verdicts = {
        labels[cell.cell]: cell.difference.verdict for cell in comparison.cells if cell.difference
    }
    names = sorted(verdicts, key=len, reverse=True)
    sentences = describe_cells(comparison)
    found = [next((name for name in names if _is_of(text, name)), None) for text in sentences]
    return [
        (sentence, "not tested" if name is None else verdicts[name])
        for sentence, name in zip(sentences, found, strict=True)
    ]


def _is_of(sentence: str, name: str) -> bool:
    return sentence.startswith((f"{name} ", f"{name}: "))


def _sentence(sentence: str, names: Iterable[str]) -> Markup:
    found = _EVIDENCE.fullmatch(sentence)
    if found is None:
        return tag("p", mark_names(sentence, names))
    claim, rest = found["before"], found["after"]
    if rest.startswith((",", ":")):
        ending, _, rest = rest.partition(". ")
        claim += ending.removesuffix(".")
    evidence = f"{found['evidence']}. {rest.removeprefix('.').strip()}".strip()
    return tag("p", mark_names(f"{claim}.", names)) + tag("p", glue(evidence), class_="evidence")


def _rank(verdict: Verdict) -> int:
    return _RANKS.get(verdict, _UNCLEAR)


def _sign(sign: str) -> Markup:
    return tag("span", sign, class_="sign", aria_hidden="true")


def _warnings(warnings: Sequence[str]) -> Markup:
    if not warnings:
        return Markup()
    return tag(
        "aside",
        tag("p", _sign("⚠"), count(len(warnings), "warning"), class_="stamp"),
        tag("ul", *(tag("li", breakable(warning)) for warning in warnings)),
        class_="warnings",
    )

"""The comparison as one HTML page that needs nothing else: to mail, to print, to put on a site."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bnexp.analysis.results import ClaimVerdict, Comparison, Verdict
from bnexp.errors import UsageError
from bnexp.files import write_bytes_atomically
from bnexp.foreign_text import shareable, visible_lines
from bnexp.reports.figures.answers.classes import (
    describe_classes,
    describe_first_runs,
    explain_absence,
    list_answered,
)
from bnexp.reports.figures.answers.confusion import build_confusion
from bnexp.reports.figures.answers.mistakes import CAPTION
from bnexp.reports.figures.claims.figure import build_claim_figure
from bnexp.reports.figures.files import build_charts
from bnexp.reports.figures.inside.diagnostics import build_diagnostics
from bnexp.reports.figures.sheet import space_label
from bnexp.reports.figures.style import cell_styles, figure_settings
from bnexp.reports.html.charts import draw_chart, draw_mark
from bnexp.reports.html.environment import describe_data, list_facts, shared_value, write_configs
from bnexp.reports.html.mistakes import build_galleries
from bnexp.reports.html.tables import align, build_class_table, build_costs
from bnexp.reports.table import Column, build_claim_table, build_table, build_tuning_table
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.commands import compare_command, split_key, train_command
from bnexp.reports.words.formatting import NOTHING
from bnexp.reports.words.headings import (
    describe_moment,
    describe_part,
    describe_title,
    join_choices,
)
from bnexp.reports.words.notes import describe_notes, explain_missing_curves
from bnexp.reports.words.phrases import CellName
from bnexp.reports.words.sentences import CellText, describe_cells
from bnexp.runs.record import RunRecord
from bnexp.wording import count

_SIGNS: Mapping[Verdict | ClaimVerdict, str] = {
    "better": "▲",
    "worse": "▼",
    "higher": "▲",
    "lower": "▼",
    "equivalent": "≈",
    "no clear difference": "○",
    "identical": "=",
    "confounded": "!",
    "not tested": "–",
    "supported": "✓",
    "contradicted": "✗",
    "inconclusive": "?",
    "exploratory": "?",
}
"""A sign for each verdict, so that grey print tells them apart; always beside the word."""

_CLEAR = ("better", "worse", "higher", "lower")
_SAME = ("equivalent", "identical")

_DOTS_PER_INCH = 100
"""Of a figure in a notebook."""

_MOST_LARGE = 4
"""Clear sentences that are set large; more of them would shout."""


def write_html(comparisons: Sequence[Comparison], records: Sequence[RunRecord], file: Path) -> Path:
    """Writes the page of one comparison, or of several with a section each, and returns its path.

    Raises:
        UsageError: The file cannot be written.
    """
    return write_page(render_html(comparisons, records), file)


def write_page(page: str, file: Path) -> Path:
    """Writes a page and returns its path.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(file, page.encode())
    except OSError as error:
        raise UsageError(f"--html: cannot write the page to '{file}': {error}") from error
    return file


def render_html(comparisons: Sequence[Comparison], records: Sequence[RunRecord] = ()) -> str:
    """Returns the page as HTML; the same comparisons and records give the same text.

    The page loads nothing, runs no script, and holds every text that it shows, escaped. What
    the runs ran on and how to reproduce them is shown if their records are given.
    """
    first, by = comparisons[0], split_key(comparisons)
    trained = dict.fromkeys(train_command(record.environment) for record in records)
    page = _load_template("page.html").render(
        parts=[_part(comparison, comparisons) for comparison in comparisons],
        by=by,
        moment=describe_moment(first.metric),
        chosen=[f"{key} = {join_choices(to)}" for key, to in first.where.items() if key != by],
        notes=describe_notes(comparisons, is_best_marked=True),
        records=records,
        data=describe_data(records),
        facts=list_facts(records),
        commands=[*filter(None, trained), compare_command(comparisons, records)],
        configs=write_configs(records),
        version=shared_value((run.environment for run in records), "versions.bnexp"),
    )
    return f"{visible_lines(page)}\n"


def render_fragment(comparisons: Sequence[Comparison]) -> str:
    """Returns verdicts, table and figure of each comparison for a notebook, without styles.

    The figure is that of the differences to the baseline or, if there are none, the curves.
    """
    claims = [describe_claim(claim) for part in comparisons for claim in part.claims]
    fragment = _load_template("fragment.html").render(
        title=describe_title(comparisons),
        claims=claims,
        parts=[_part_of_fragment(comparison, comparisons) for comparison in comparisons],
        notes=describe_notes(comparisons, is_best_marked=True),
        warnings=[*dict.fromkeys(found.text for part in comparisons for found in part.caveats)],
    )
    return visible_lines(fragment)


def _part_of_fragment(comparison: Comparison, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    table, charts = build_table(comparison), build_charts(comparison)
    chart = charts.get("effects") or charts.get("curves")
    with figure_settings():
        picture = chart and chart.draw_alone(is_wide=True).encode_png(_DOTS_PER_INCH)
    return {
        "name": describe_part(comparison, comparisons),
        "table": table,
        "columns": [*table.names, *table.results, table.verdicts, *table.costs],
        "sentences": [text.join() for text in describe_cells(comparison)],
        "chart": chart,
        "picture": picture,
    }


def render_template(name: str, **values: Any) -> str:  # noqa: ANN401 - what the template shows
    """Returns a page of a template with these values."""
    return f"{visible_lines(_load_template(name).render(**values))}\n"


@cache
def _load_template(name: str) -> Template:
    """Returns a template, which escapes every text but the SVGs.

    No text keeps a secret or the folders of an absolute path.
    """
    templates = Environment(
        loader=PackageLoader("bnexp.reports.html", ""),
        autoescape=True,
        finalize=_share,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"breakable": _breakable, "count": count}
    templates.tests["cell_name"] = lambda piece: isinstance(piece, CellName)
    templates.globals |= {"embed": _embed, "draw": draw_chart, "signs": _SIGNS, "nothing": NOTHING}
    return templates.get_template(name)


def _embed(png: bytes) -> Markup:
    """Returns the address of a picture that holds the picture itself."""
    return Markup(f"data:image/png;base64,{base64.b64encode(png).decode()}")


def _breakable(content: str) -> Markup:
    """Returns a cell's or key's name that may be broken after its commas and before its dots.

    Commas and dots within numbers keep them whole.
    """
    pieces = re.split(r"(?<=[,/_])(?!(?<=\d,)\d)(?=\S)|(?=\.\D)", _share(content))
    return Markup("<wbr>").join(pieces)


def _share(value: Any) -> Any:  # noqa: ANN401 - whatever the template shows
    """Returns what stands on the page for a value: of a text, what may be shared of it."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else shareable(value)


def _part(comparison: Comparison, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Returns what the template shows of one comparison."""
    table, names = build_table(comparison), shorten_cell_names(comparison)
    styles = cell_styles(comparison)
    # Speed and memory have columns in the table of costs.
    costs = [column for column in table.costs if column.kind != "cost"]
    labels = tuple(((space_label(names[cell.cell]),),) for cell in comparison.cells)
    return {
        "comparison": comparison,
        "name": describe_part(comparison, comparisons),
        "baseline": names[comparison.baseline],
        "seeds": _seeds(comparison),
        "gist": _gist(comparison),
        "claims": [
            (claim, describe_claim(claim), build_claim_figure(comparison, claim))
            for claim in comparison.claims
        ],
        "sentences": _sentences(comparison),
        "table": table,
        "results": [*table.names, *table.results, table.verdicts, *costs],
        "aligned": {
            column: align(column) for column in (*table.results, *costs) if not column.is_text
        },
        "swatches": [draw_mark(styles[cell.cell]) for cell in comparison.cells],
        "charts": build_charts(comparison).values(),
        "missing_curves": explain_missing_curves(comparison),
        "classes": _classes(comparison, len(comparisons)),
        "diagnostics": build_diagnostics(comparison).values(),
        "labels": Column(("cell",), labels, "name"),
        "costs": build_costs(comparison),
        "claim_table": build_claim_table(comparison.claims),
        "tuning": build_tuning_table(comparison),
    }


def _classes(comparison: Comparison, parts: int) -> dict[str, Any] | None:
    """Returns what the template shows of the classes, or None if nobody asked for it."""
    if not any(cell.first_run for cell in comparison.cells):
        return None
    answered = list_answered(comparison)
    return {
        "table": build_class_table(answered) if answered else (),
        "runs": describe_first_runs(comparison),
        "left_out": describe_classes(answered) if answered else "",
        "absent": explain_absence(comparison),
        "confusion": build_confusion(comparison),
        "caption": CAPTION,
        "galleries": [
            (one, draw_mark(one.answered.style)) for one in build_galleries(comparison, parts)
        ],
    }


def _sentences(comparison: Comparison) -> list[tuple[CellText, str]]:
    """Returns what is said of each cell and in which size, clear sentences first."""

    def rank(cell: CellText) -> int:
        return 0 if cell.verdict in _CLEAR else 1 if cell.verdict in _SAME else 2

    ranked = sorted(describe_cells(comparison), key=rank)
    is_large = sum(rank(cell) < 2 for cell in ranked) <= _MOST_LARGE and not comparison.claims
    return [(cell, "large" if is_large and rank(cell) < 2 else "small") for cell in ranked]


def _seeds(comparison: Comparison) -> str:
    sizes = sorted({cell.n for cell in comparison.cells})
    if sizes[-1] == 0:
        return "No run has finished."
    seeds = count(sizes[0], "seed") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} seeds"
    return f"{seeds} per cell."


def _gist(comparison: Comparison) -> str:
    """Returns how many of the differences are clear."""
    differences = [cell.difference for cell in comparison.cells if cell.difference]
    clear = sum(found.verdict in _CLEAR for found in differences)
    warned = f", {count(len(comparison.caveats), 'warning')}" if comparison.caveats else ""
    if not differences:
        return f"nothing to compare{warned}"
    return f"{clear} of {count(len(differences), 'difference')} clear{warned}"

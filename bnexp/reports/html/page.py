"""The comparison as one HTML page that needs nothing else: to mail, to print, to put on a site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from bnexp.analysis.results import Comparison
from bnexp.errors import UsageError
from bnexp.files import write_text_atomically
from bnexp.reports.html.charts import render_curves, render_effects
from bnexp.reports.html.environment import render_environment, render_repetition
from bnexp.reports.html.markup import Markup, breakable, join, tag
from bnexp.reports.html.tables import render_cost, render_results
from bnexp.reports.html.verdict import render_verdict
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.commands import split_key
from bnexp.reports.words.headings import describe_moment, describe_part, join_choices
from bnexp.reports.words.notes import describe_notes
from bnexp.runs.record import RunRecord
from bnexp.wording import count, write_value

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser may load for the page: nothing but the style inside it."""


def write_html(comparisons: Sequence[Comparison], records: Sequence[RunRecord], file: Path) -> Path:
    """Writes the page of one comparison, or of several with a section each, and returns its path.

    Raises:
        UsageError: The file cannot be written.
    """
    page = render_html(comparisons, records)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(file, page)
    except OSError as error:
        raise UsageError(f"--html: cannot write the page to '{file}': {error}") from error
    return file


def render_html(comparisons: Sequence[Comparison], records: Sequence[RunRecord] = ()) -> str:
    """Returns the page as HTML; the same comparisons and records give the same text.

    The page loads nothing, runs no script, and holds every text that it shows. What the
    runs ran on and how to reproduce them is shown if their records are given.
    """
    first = comparisons[0]
    title = f"{first.experiment}: {first.metric}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        tag("style", Markup(_style())),
    )
    body = tag(
        "body",
        tag("header", *_header(comparisons, records)),
        tag("main", *_sections(comparisons), *_ending(comparisons, records)),
        tag("footer", _footer(records)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _style() -> str:
    return files("bnexp.reports.html").joinpath("page.css").read_text(encoding="utf-8")


def _header(comparisons: Sequence[Comparison], records: Sequence[RunRecord]) -> Iterable[str]:
    first = comparisons[0]
    yield tag("p", "Comparison of trained networks", class_="eyebrow")
    yield tag("h1", breakable(first.experiment))
    by = split_key(comparisons)
    yield tag("p", *_asked(first, by, records), class_="asked")
    if len(comparisons) > 1:
        links = (
            tag("li", _link(describe_part(part, comparisons), place), _gist(part))
            for place, part in enumerate(comparisons, start=1)
        )
        yield tag("nav", tag("ul", *links, class_="contents"), aria_label="Sections")


def _link(name: str, place: int) -> Markup:
    return tag("a", breakable(name), href=f"#part-{place}")


def _asked(first: Comparison, by: str | None, records: Sequence[RunRecord]) -> Iterable[str]:
    """Says what was compared, on what data, and over how many seeds."""
    cells = count(len(first.cells), "cell")
    yield tag("b", breakable(first.metric))
    yield f" {describe_moment(first.metric)}: {cells}, each against "
    yield tag("b", shorten_cell_names(first)[first.baseline])
    yield "." if by is None else f", for each value of {by}."
    yield f" {_seeds(first)}"
    yield _data(records)
    chosen = [f"{key} = {join_choices(values)}" for key, values in first.where.items() if key != by]
    if chosen:
        yield f" Only runs with {', '.join(chosen)}."


def _seeds(comparison: Comparison) -> str:
    sizes = {cell.n for cell in comparison.cells}
    least, most = min(sizes), max(sizes)
    if most == 0:
        return "No run has finished."
    seeds = f"{least} to {most} seeds" if least < most else count(most, "seed")
    return f"{seeds} per cell."


def _notes(comparisons: Sequence[Comparison]) -> Markup:
    notes = describe_notes(comparisons, is_best_marked=True)
    return join(tag("p", note, class_="method") for note in notes)


def _rest_for_training(shared: Callable[[str, str], str | None]) -> str | None:
    """Returns how many images are left for training after validation took some."""
    total, held_out = (
        shared("dataset.train_images", "environment"),
        shared("data.val_size", "config"),
    )
    return total if total is None or held_out is None else str(int(total) - int(held_out))


def _data(records: Sequence[RunRecord]) -> str:
    def shared(key: str, source: str) -> str | None:
        values = {getattr(record, source).get(key) for record in records}
        return write_value(values.pop()) if len(values) == 1 and None not in values else None

    name = shared("dataset.name", "environment") or shared("data.name", "config")
    if name is None:
        return ""
    used = shared("data.train_size", "config") or _rest_for_training(shared)
    tested = shared("dataset.test_images", "environment")
    parts = [
        f"{int(size):,} {kind}"
        for size, kind in ((used, "for training"), (tested, "for testing"))
        if size is not None and size.isdecimal()
    ]
    return f" Data: {name}" + (f", images: {', '.join(parts)}." if parts else ".")


def _gist(comparison: Comparison) -> str:
    """Returns how many of the differences are clear."""
    differences = [cell.difference for cell in comparison.cells if cell.difference]
    clear = sum(found.verdict in ("better", "worse", "higher", "lower") for found in differences)
    warned = f", {count(len(comparison.caveats), 'warning')}" if comparison.caveats else ""
    if not differences:
        return f": nothing to compare{warned}"
    return f": {clear} of {count(len(differences), 'difference')} clear{warned}"


def _sections(comparisons: Sequence[Comparison]) -> Iterable[Markup]:
    for place, comparison in enumerate(comparisons, start=1):
        if len(comparisons) == 1:
            yield tag("section", *_parts(comparison, "h2"))
        else:
            name = breakable(describe_part(comparison, comparisons))
            title = tag("h2", name, class_="part", id=f"part-{place}")
            yield tag("section", title, *_parts(comparison, "h3"))


def _parts(comparison: Comparison, heading: str) -> Iterable[Markup]:
    yield tag(heading, "Verdict", class_="unseen") + render_verdict(comparison)
    yield tag(heading, "Results") + render_results(comparison)
    if heading == "h2":
        yield _notes([comparison])
    for title, drawn in (
        ("Learning curves", render_curves(comparison)),
        ("Effect against the baseline", render_effects(comparison)),
        ("Cost", render_cost(comparison)),
    ):
        if drawn is not None:
            yield tag(heading, title) + drawn


def _ending(comparisons: Sequence[Comparison], records: Sequence[RunRecord]) -> Iterable[Markup]:
    if len(comparisons) > 1:
        heading = tag("h2", "How to read the tables", class_="part")
        yield tag("section", heading, _notes(comparisons))
    if not records:
        return
    described = render_environment(records)
    if described is not None:
        yield tag("section", tag("h2", "What it ran on"), described)
    yield tag("section", tag("h2", "How to reproduce it"), render_repetition(comparisons, records))


def _footer(records: Sequence[RunRecord]) -> Markup:
    parts = ["Made by bnexp compare --html"]
    versions = {record.environment.get("versions.bnexp") for record in records}
    if records:
        parts.append(f"from {count(len(records), 'run')}")
    if len(versions) == 1 and None not in versions:
        parts.append(f"of bnexp {versions.pop()}")
    return tag("p", f"{' '.join(parts)}.")

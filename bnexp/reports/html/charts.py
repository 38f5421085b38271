"""The figures as SVG inside the page: text as text, and the page's colours instead of ink."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping

from bnexp.analysis.results import ClaimResult, Comparison
from bnexp.reports.figures.chart import Chart
from bnexp.reports.figures.curves import build_curves
from bnexp.reports.figures.effects import build_claim_effect, build_effects
from bnexp.reports.figures.files import encode_svg
from bnexp.reports.figures.sheet import Sheet
from bnexp.reports.figures.style import GRID, INK, MUTED, PAPER, figure_settings
from bnexp.reports.html.markup import Markup, join, number, tag

_COLOURS: Mapping[str, str] = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
}
"""What stands in the page for a colour of the figures, so that it fits dark pages and print."""

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"


def render_curves(comparison: Comparison) -> Markup | None:
    """Returns the learning curves with their caption, or None if no run has a curve."""
    return _render(build_curves(comparison))


def render_effects(comparison: Comparison) -> Markup | None:
    """Returns the differences to the baseline with their caption, or None without any."""
    return _render(build_effects(comparison))


def render_claim_effect(claim: ClaimResult) -> Markup | None:
    """Returns the claim's difference and margin, or None without a figure."""
    chart = build_claim_effect(claim)
    return None if chart is None else _draw(chart, is_wide=False)


def embed(sheet: Sheet, *words: Markup, **attributes: str) -> Markup:
    """Returns the drawing as an SVG element that scales with the page, after the words.

    matplotlib's SVG is read as XML and built again. It needs no id, so that any number of
    drawings can stand on one page: each reference is replaced by what it stands for.
    """
    sheet.figure.patch.set_visible(False)
    root = ElementTree.fromstring(encode_svg(sheet))
    known = {element.get("id", ""): element for element in root.iter()}
    size = f"0 0 {number(sheet.width)} {number(sheet.height)}"
    return tag("svg", *words, *_children(root, known), **attributes, viewBox=size)


def _render(chart: Chart | None) -> Markup | None:
    if chart is None:
        return None
    drawings = [
        tag("div", _draw(chart, is_wide=is_wide), class_="wide" if is_wide else "narrow")
        for is_wide in (True, False)
    ]
    return tag("figure", *drawings, tag("figcaption", chart.caption))


def _draw(chart: Chart, *, is_wide: bool) -> Markup:
    words = (tag("title", chart.title), tag("desc", chart.description))
    label = f"{chart.title}. {chart.description}"
    with figure_settings():
        return embed(chart.draw(is_wide), *words, class_="chart", role="img", aria_label=label)


Known = Mapping[str, ElementTree.Element]


def _children(element: ElementTree.Element, known: Known) -> Iterator[Markup]:
    for child in element:
        kind = child.tag.removeprefix(_NAMESPACE)
        if kind in ("g", "path", "text", "use"):
            yield _convert(child, kind, known)


def _convert(element: ElementTree.Element, kind: str, known: Known) -> Markup:
    content: list[str] = [element.text or ""] if kind == "text" else []
    content += _children(element, known)
    style = _declarations(element)
    attributes: dict[str, str | None] = {}
    if kind == "use":
        shape = known[element.get(_LINK, "").removeprefix("#")]
        style = _declarations(shape) | style
        place = [number(float(element.get(name, "0"))) for name in "xy"]
        attributes |= {
            "d": _round(shape.get("d", "")),
            "transform": f"translate({' '.join(place)})",
        }
    elif kind == "path":
        attributes["d"] = _round(element.get("d", ""))
    elif kind == "text":
        attributes |= {name: number(float(element.get(name, "0"))) for name in "xy"}
    attributes["style"] = ";".join(f"{name}:{value}" for name, value in style.items()) or None
    if kind == "g" and not style:
        drawn = join(content)
    else:
        drawn = tag("path" if kind == "use" else kind, *content, **attributes)
    clip = element.get("clip-path")
    return drawn if clip is None else _clip(drawn, known[clip[len("url(#") : -1]])


def _clip(drawn: Markup, clip: ElementTree.Element) -> Markup:
    """Returns the drawing in an SVG element of the size of the clip path, which cuts it off."""
    rectangle = clip[0]
    frame = {
        name: number(float(rectangle.get(name, "0"))) for name in ("x", "y", "width", "height")
    }
    return tag("svg", drawn, viewBox=" ".join(frame.values()), **frame)


def _declarations(element: ElementTree.Element) -> dict[str, str]:
    """Returns the element's CSS, with the page's colours."""
    pairs = (part.partition(":") for part in element.get("style", "").split(";") if part.strip())
    found = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: _COLOURS.get(value, value) for name, value in found.items()}


def _round(path: str) -> str:
    """Returns the data of a path with two decimals."""
    return "".join(
        word if word.isalpha() else f"{number(float(word))} " for word in path.split()
    ).strip()

"""The figures as SVG inside the page: text as text, and the page's colours instead of ink."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from functools import cache

from markupsafe import Markup

from bnexp.foreign_text import shareable
from bnexp.reports.figures.sheet import Chart, Sheet, draw_swatch
from bnexp.reports.figures.style import GRID, INK, MUTED, PAPER, Style, figure_settings

_COLOURS: Mapping[str, str] = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
}
"""What stands in the page for a colour of the figures, so that it fits dark pages and print."""

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"

Element = ElementTree.Element
Known = Mapping[str, Element]


def draw_chart(chart: Chart, *, is_wide: bool) -> Markup:
    """Returns the figure with its title and description as an SVG element that scales."""
    label = shareable(f"{chart.title}. {chart.description}")
    attributes = {"class": "chart", "role": "img", "aria-label": label}
    with figure_settings():
        sheet = chart.draw(is_wide)
        return _embed(sheet, attributes, {"title": chart.title, "desc": chart.description})


@cache
def draw_mark(style: Style) -> Markup:
    """Returns a piece of a cell's line with its marker, to stand beside the cell's name."""
    attributes = {"class": "swatch", "width": "34", "height": "16", "aria-hidden": "true"}
    with figure_settings():
        return _embed(draw_swatch(style), attributes, {})


def _embed(sheet: Sheet, attributes: Mapping[str, str], words: Mapping[str, str]) -> Markup:
    """Returns the drawing, after the words for those who cannot see it, as an SVG element.

    matplotlib's SVG is read as XML and built again. It needs no id, so that any number of
    drawings can stand on one page: each reference is replaced by what it stands for.
    """
    sheet.figure.patch.set_visible(False)
    root = ElementTree.fromstring(sheet.encode_svg())
    known = {element.get("id", ""): element for element in root.iter()}
    size = f"0 0 {_number(sheet.width)} {_number(sheet.height)}"
    drawing = Element("svg", {**attributes, "viewBox": size})
    for name, text in words.items():
        ElementTree.SubElement(drawing, name).text = text
    drawing.extend(_children(root, known))
    for element in drawing.iter():
        element.text = element.text and shareable(element.text)
    return Markup(ElementTree.tostring(drawing, encoding="unicode"))


def _children(element: Element, known: Known) -> Iterator[Element]:
    for child in element:
        kind = child.tag.removeprefix(_NAMESPACE)
        if kind in ("g", "path", "text", "use"):
            drawn = _convert(child, kind, known)
            clip = child.get("clip-path")
            yield from drawn if clip is None else [_clip(drawn, known[clip[len("url(#") : -1]])]


def _convert(element: Element, kind: str, known: Known) -> list[Element]:
    style, path = _declarations(element), element.get("d", "")
    place = {name: _number(element.get(name, "0")) for name in "xy"}
    attributes = place if kind == "text" else {}
    if kind == "text" and (turn := _find_turn(element)):
        attributes["transform"] = f"rotate({turn} {' '.join(place.values())})"
    if kind == "use":
        shape = known[element.get(_LINK, "").removeprefix("#")]
        kind, style, path = "path", _declarations(shape) | style, shape.get("d", "")
        attributes = {"transform": f"translate({' '.join(place.values())})"}
    if path:
        attributes = {"d": _round(path), **attributes}
    if style:
        attributes["style"] = ";".join(f"{name}:{value}" for name, value in style.items())
    drawn = Element(kind, attributes)
    drawn.text = element.text if kind == "text" else None
    drawn.extend(_children(element, known))
    return list(drawn) if kind == "g" and not style else [drawn]


def _find_turn(text: Element) -> str:
    """Returns the degrees by which a text is turned around its place; empty if it is level."""
    found = re.fullmatch(r"rotate\((\S+) .*\)", text.get("transform", ""))
    turn = _number(found[1]) if found else "0"
    return "" if turn == "0" else turn


def _clip(drawn: list[Element], clip: Element) -> Element:
    """Returns the drawing in an SVG element of the size of the clip path, which cuts it off."""
    frame = {name: _number(clip[0].get(name, "0")) for name in ("x", "y", "width", "height")}
    framed = Element("svg", {**frame, "viewBox": " ".join(frame.values())})
    framed.extend(drawn)
    return framed


def _declarations(element: Element) -> dict[str, str]:
    """Returns the element's CSS, with the page's colours."""
    pairs = (part.partition(":") for part in element.get("style", "").split(";") if part.strip())
    found = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: _COLOURS.get(value, value) for name, value in found.items()}


def _round(path: str) -> str:
    """Returns the data of a path with two decimals."""
    words = (word if word.isalpha() else f"{_number(word)} " for word in path.split())
    return "".join(words).strip()


def _number(value: str | float) -> str:
    """Returns a coordinate with at most two decimals."""
    shown = f"{float(value):.2f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown

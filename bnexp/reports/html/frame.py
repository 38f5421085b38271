"""What all charts share: the SVG element, grid lines, ticks, and lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bnexp.reports.html.markup import Markup, join, tag
from bnexp.reports.html.scale import Scale, tick_labels

LINE_HEIGHT = 15.0
"""Distance of two lines of text on a chart."""


def chart(name: str, description: str, size: tuple[float, float], *parts: str, kind: str) -> Markup:
    """Returns an SVG that scales with the page and says in words what it shows."""
    width, height = size
    return tag(
        "svg",
        tag("title", name),
        tag("desc", description),
        *parts,
        class_=f"chart {kind}",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{name}. {description}",
    )


def horizontal_grid(scale: Scale, values: Sequence[float], left: float, right: float) -> Markup:
    """Returns a grid line and a label on its left for each value."""
    labels = tick_labels(values)
    return tag(
        "g",
        *(
            tag("line", x1=left, x2=right, y1=scale(value), y2=scale(value))
            + tag("text", label, x=left - 8, y=scale(value) + 4.5, text_anchor="end")
            for value, label in zip(values, labels, strict=True)
        ),
        class_="grid",
    )


def vertical_grid(scale: Scale, values: Sequence[float], top: float, bottom: float) -> Markup:
    """Returns a grid line and a label below it for each value."""
    labels = tick_labels(values)
    return tag(
        "g",
        *(
            tag("line", x1=scale(value), x2=scale(value), y1=top, y2=bottom)
            + tag("text", label, x=scale(value), y=bottom + 18, text_anchor="middle")
            for value, label in zip(values, labels, strict=True)
        ),
        class_="grid",
    )


def write(lines: Iterable[str], x: float, middle: float, **attributes: str) -> Markup:
    """Returns lines of text whose block is centred at that height."""
    shown = list(lines)
    first = middle - LINE_HEIGHT * (len(shown) - 1) / 2 + 4.5
    return join(
        tag("text", line, x=x, y=first + LINE_HEIGHT * index, **attributes)
        for index, line in enumerate(shown)
    )


def fold(wide: Markup, narrow: Markup) -> Markup:
    """Returns both drawings of a chart, of which the page shows the one that fits its width."""
    return tag("div", wide, class_="wide") + tag("div", narrow, class_="narrow")

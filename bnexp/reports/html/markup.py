"""Builds HTML and SVG in which every text is escaped unless it was built here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from bnexp.wording import printable

_VOID = {"meta", "br", "wbr"}


class Markup(str):
    """Text that is HTML already and must not be escaped again."""

    __slots__ = ()

    def __add__(self, other: str) -> Markup:
        """Returns both as markup; plain text is escaped first."""
        return Markup(str.__add__(self, text(other)))


def text(content: str) -> Markup:
    """Returns plain text as HTML; what no page can hold, such as NUL, becomes U+FFFD."""
    if isinstance(content, Markup):
        return content
    return Markup(escape(printable(content)))


def join(parts: Iterable[str], separator: str = "") -> Markup:
    """Returns the parts one after another, each escaped unless it is markup."""
    return Markup(text(separator).join(text(part) for part in parts))


def tag(element: str, *children: str, **attributes: str | float | None) -> Markup:
    """Returns an element; `class_` stands for class, `aria_label` for aria-label.

    An attribute that is None is left out; coordinates are written with two decimals.
    """
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if element in _VOID:
        return Markup(f"<{element}{pairs}>")
    return Markup(f"<{element}{pairs}>{join(children)}</{element}>")


def number(value: float) -> str:
    """Returns a coordinate with at most two decimals."""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def breakable(content: str) -> Markup:
    """Returns a cell's or key's name that may be broken after its commas and before its dots."""
    whole = text(content)
    return Markup(re.sub(r"([,/_])(?=\S)|(?=\.\D)", r"\1<wbr>", whole))


def _value(value: str | float) -> str:
    return text(value) if isinstance(value, str) else number(value)

r"""Any text as LaTeX that prints it, whatever it holds."""

from __future__ import annotations

import re

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    # After a line's end, `[` and `*` would be an option of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "ε": r"$\varepsilon$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "°": r"$^{\circ}$",
    "²": r"$^{2}$",
    "§": r"\S{}",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "\u200b": "{}",
}
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
_DASHES = re.compile("-(?=-)")
"""Two hyphens in a row would be printed as a dash."""

_ACCENTED = re.compile("[À-ÖØ-öø-ÿŁ-ńŐőŒœŚśŠšŹ-ž]")
"""Letters that every LaTeX since 2018 prints without further packages."""


def escape(text: str) -> str:
    """Returns LaTeX that prints the text on one line, without any package.

    A character that the standard fonts lack is written as its code, `[U+4E2D]`.
    """
    parted = _DASHES.sub("-\u200b", _MINUS.sub("−", text))
    return "".join(map(_escape_one, parted))


def comment(text: str) -> str:
    """Returns the text as a line that LaTeX leaves out."""
    return f"% {' '.join(text.split())}"


def _escape_one(character: str) -> str:
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    if " " <= character <= "~" or _ACCENTED.match(character):
        return character
    return " " if character.isspace() else f"{{[}}U+{ord(character):04X}{{]}}"

"""The one door for text that others wrote: made visible, shortened, and safe to share.

Names, keys, reasons and paths come from files and folders that anybody may have written. Whatever
is written for people goes through `visible`, and what people pass on through `shareable`.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Controls, what changes the direction of text, what has no width, and lone surrogates."""
_SHORT_FORMS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_SECRET = "***"
_SECRET_KEY = r"(?i:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d|credentials?)"
_VALUE_OF_SECRET_KEY = re.compile(rf"({_SECRET_KEY}[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+")
_PASSWORD_IN_URL = re.compile(r"(://[^\s:/@]*:)[^\s/@]+(?=@)")
_TOKEN = re.compile(
    r"\b(?:hf_|gh[a-z]_|npm_)[A-Za-z0-9]{16,}|\b(?:github_pat_|glpat-|sk-|xox[a-z]-|pypi-)[\w-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{30,}|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9+]{24,}")

_ENDLESS_WORD = re.compile(r"[^\s/\\,;'\"]{61,}")

_HOME = re.compile(r"(?<![\w./])(?:/home/|/Users/|[A-Za-z]:[\\/]Users[\\/])[^\s/\\'\",:;()]+")
_ABSOLUTE = re.compile(
    r"(?<![\w./~…])(?:/(?!/)|[A-Za-z]:\\)(?:[^\s/\\'\",:;()]+[/\\])+(?=[^\s/\\])"
)

_MARKDOWN = re.compile(
    r"[\\*`|~$]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])"  # anywhere
    r"|\[(?![-+−\d])|\](?=[(\[:])|!(?=\[)"  # an interval is no link
    r"|(?<!\w)_|_(?!\w)"  # a key's underscores are no emphasis
    r"|:(?=//)|(?i:(?<=www)\.)"  # what GitHub makes a link
    r"|^#|^[>+-](?=\s)|^\d{1,9}[.)](?=\s)"  # a heading, a quote, a list
)
_NOT_WITH_BACKSLASH = "~$<&:"
"""Characters before which not every reader of Markdown knows a backslash."""


def visible(text: str) -> str:
    r"""Returns the text on one line, with `\x1b` or `\u202e` for each character nobody would see.

    A terminal, a browser or a spreadsheet then shows the text and does nothing else with it.
    """
    return _UNSEEN.sub(_write_out, text)


def visible_lines(text: str) -> str:
    """Returns a text of several lines, each of them visible."""
    return "\n".join(map(visible, text.split("\n")))


def _write_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    form = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return _SHORT_FORMS.get(found[0], form if code < 0x10000 else f"\\U{code:08x}")


def shorten(text: str, length: int = 30) -> str:
    """Returns the start of a text for a message: visible, without secrets, at most that long."""
    # No secret begins so late that a short start of it is worth the time to find it.
    shown = visible(hide_secrets(text[: 10 * length]))
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def shorten_words(text: str) -> str:
    """Returns a sentence without secrets in which every word fits on a line, but for paths."""
    return _ENDLESS_WORD.sub(lambda found: shorten(found[0]), hide_secrets(text))


def hide_secrets(text: str) -> str:
    """Returns the text with `***` for what looks like a password, a key or a token."""
    for pattern in (_VALUE_OF_SECRET_KEY, _PASSWORD_IN_URL):
        text = pattern.sub(rf"\1{_SECRET}", text)
    return _LONG_WORD.sub(_hide_if_random, _TOKEN.sub(_SECRET, text))


def _hide_if_random(found: re.Match[str]) -> str:
    """Hides a mixture of capitals, small letters and digits, which nobody would type."""
    word, kinds = found[0], (str.isupper, str.islower, str.isdigit)
    return _SECRET if min(sum(map(kind, word)) for kind in kinds) >= 3 else word


def shareable(text: str) -> str:
    """Returns the text without secrets and without the folders of an absolute path.

    The home folder, whose name is often the user's, becomes `~`.
    """
    return _ABSOLUTE.sub("…/", _HOME.sub("~", hide_secrets(text)))


def escape_markdown(text: str) -> str:
    """Returns Markdown that shows the text, fit to be shared, on one line: no link and no HTML.

    Every reader of Markdown knows these escapes, and TensorBoard's no others.
    """
    one_line = " ".join(shareable(text).split())
    return _MARKDOWN.sub(_escape_one, visible(one_line))


def _escape_one(found: re.Match[str]) -> str:
    before, last = found[0][:-1], found[0][-1]
    escaped = f"&#{ord(last)};" if last in _NOT_WITH_BACKSLASH else f"\\{last}"
    return before + escaped

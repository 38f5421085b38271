"""Reads YAML into a tree that knows where each value stands; numbers and booleans as in YAML 1.2.

The reader accepts what a config needs and nothing else: one document of mappings,
lists and scalars, without aliases, tags or duplicate keys, bounded in size, depth
and number of values, so that no input can make it slow or surprising.

Source: YAML 1.2.2, section 10.3 (core schema).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml import events

from bnexp.config.yaml.node import Node, Position, describe
from bnexp.errors import ConfigError, Problem, UsageError
from bnexp.runs.record import Scalar
from bnexp.wording import show_path

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_VALUES = 15_000

EMPTY_FILE = "the file is empty; a config needs at least `name`, `data` and `model`"

_QUOTED_OR_COMMENT = (
    r"""(?<![^\s\[{,:])"(?:\\.|[^"\\])*"|(?<![^\s\[{,:])'(?:''|[^'])*'|(?<!\S)\#[^\n]*"""
)
_QUOTED_COMMENT_OR_BRACKET = re.compile(rf"{_QUOTED_OR_COMMENT}|([\[\]{{}}])", re.DOTALL)
INVISIBLE = re.compile(
    r"[\x85\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Characters that look like a space, or like nothing, but are letters to YAML."""
_QUOTED_COMMENT_OR_INVISIBLE = re.compile(rf"{_QUOTED_OR_COMMENT}|({INVISIBLE.pattern})", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_PREFIXED_INT = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_PLAIN_WORDS = {
    "'\\t'": "a tab; YAML indents with spaces",
    "mapping values are not allowed here": "a colon that makes no key here; check the indentation, "
    "and put a text with ': ' in quotes",
    "but found '}'": "this } closes nothing",
    "but found ']'": "this ] closes nothing",
    "expected <block end>, but found '<scalar>'": "a text behind a closed quote or a "
    "bracket; check the quotes",
    "expected <block end>, but found '<block": "this is indented otherwise than the lines above",
}
"""What some of PyYAML's words mean, in plain ones."""
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_yaml_file(path: Path) -> Node:
    """Reads one YAML file whose top level is a mapping.

    Raises:
        UsageError: The file cannot be read, or is too large.
        ConfigError: It is not UTF-8, or its YAML is wrong, with file, line and column.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{show_path(path)}: cannot read the config: {reason}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: larger than {MAX_BYTES:,} bytes; this is not a config")
    return read_config(content, path)


def read_config(content: bytes, path: Path) -> Node:
    """Reads the content of a YAML file whose top level is a mapping.

    Raises:
        ConfigError: It is not UTF-8, or its YAML is wrong, with file, line and column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        place = Position(str(path), line, column)
        raise ConfigError([place.problem("not UTF-8 text; save the file as UTF-8")]) from error
    node = read_yaml(text, str(path))
    if node.mapping is None:
        kind = "text" if isinstance(node.value, str) else describe(node.value)
        reason = f"a config is a mapping of keys to values; this is {kind}"
        raise ConfigError([node.position.problem(reason)])
    return node


@dataclass(frozen=True)
class _Source:
    """A YAML text and where it stands: its file, and how many columns are before its first line."""

    text: str
    file: str
    columns: int

    def place(self, line: int, column: int) -> Position:
        """Returns a position; `line` and `column` are counted from 0 in the text."""
        return Position(self.file, line + 1, column + 1 + (0 if line else self.columns))

    def place_at(self, index: int) -> Position:
        """Returns the position of a character of the text."""
        line = self.text.count("\n", 0, index)
        return self.place(line, index - self.text.rfind("\n", 0, index) - 1)

    def place_of(self, event: events.Event) -> Position:
        """Returns the position where an event starts."""
        mark = event.start_mark
        assert mark is not None  # PyYAML leaves it out only of events that were not read
        return self.place(mark.line, mark.column)


def read_yaml(text: str, file: str, if_empty: str = EMPTY_FILE, columns: int = 0) -> Node:
    """Reads one YAML document.

    Args:
        text: The document.
        file: What its positions name.
        if_empty: The problem with a document that holds nothing.
        columns: How many columns are before the text in its first line.

    Raises:
        ConfigError: With every duplicate key and bad number, or with the first syntax error.
    """
    source = _Source(text, file, columns)
    if problems := [source.place_at(index).problem(why) for index, why in find_invisible(text)]:
        raise ConfigError(problems)
    reader = _Reader(source, if_empty)
    try:
        root = reader.read_document(_bounded(yaml.parse(text, Loader=yaml.SafeLoader), source))
    except yaml.YAMLError as error:
        problem = _find_unclosed(error, reader.open_flows, source)
        raise ConfigError([problem or _syntax_problem(error, source)]) from error
    if reader.problems:
        raise ConfigError(reader.problems)
    return root


def read_scalar(text: str, position: Position) -> Scalar:
    """Returns what a plain (unquoted) YAML 1.2 scalar means.

    Raises:
        ConfigError: An integer with a leading zero, which YAML 1.1 and 1.2 read differently.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _LEADING_ZERO.fullmatch(text):
        bare = text.lstrip("+-").lstrip("0") or "0"
        reason = f"'{text}' has a leading zero; write {bare}, or '{text}' in quotes for a text"
        raise ConfigError([position.problem(reason)])
    if _INT.fullmatch(text) or _PREFIXED_INT.fullmatch(text):
        return _read_integer(text, position)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _read_integer(text: str, position: Position) -> int:
    if len(text) > 18:
        raise ConfigError([position.problem(f"the number {text[:15]}… is too large")])
    return int(text, 0)


def _bounded(stream: Iterator[events.Event], source: _Source) -> Iterator[events.Event]:
    """Passes events on until something a config does not need, or too much, turns up."""
    depth = documents = 0
    for count, event in enumerate(stream):
        if isinstance(event, events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, events.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, events.DocumentStartEvent):
            documents += 1
        if reason := _refusal(event, depth, count, documents):
            raise ConfigError([source.place_of(event).problem(reason)])
        yield event


def _refusal(event: events.Event, depth: int, count: int, documents: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    if count > MAX_VALUES:
        return f"more than {MAX_VALUES:,} values; this is not a config"
    if documents > 1:
        return "a second YAML document; a config is one document, without '---' inside"
    if isinstance(event, events.AliasEvent):
        return f"the alias '*{event.anchor}' is not allowed; write the value out or use 'extends'"
    if getattr(event, "anchor", None):
        return f"the anchor '&{event.anchor}' is not allowed; write the value out or use 'extends'"  # type: ignore[attr-defined]
    if getattr(event, "tag", None):
        return f"the tag '{event.tag}' is not allowed; write a plain value"  # type: ignore[attr-defined]
    return None


class _Reader:
    """Builds the tree from events; its depth is bounded by `_bounded`."""

    def __init__(self, source: _Source, if_empty: str) -> None:
        self.source = source
        self.if_empty = if_empty
        self.problems: list[Problem] = []
        self.open_flows: list[int] = []
        """Where in the text each `{` and `[` stands that is not closed yet."""

    def read_document(self, stream: Iterator[events.Event]) -> Node:
        for event in stream:
            if isinstance(event, events.DocumentStartEvent):
                root = self._read_node(next(stream), stream)
                for _ in stream:  # to the end, so that what follows is checked as well
                    pass
                return root
        raise ConfigError([self.source.place(0, 0).problem(self.if_empty)])

    def _read_node(self, event: events.Event, stream: Iterator[events.Event]) -> Node:
        position = self.source.place_of(event)
        if isinstance(event, events.ScalarEvent):
            return Node(self._read_scalar(event, position), position)
        # `[a: b]` holds a mapping that is in flow style but has no bracket of its own.
        start = event.start_mark.index if event.start_mark else 0
        is_flow = isinstance(event, events.CollectionStartEvent) and event.flow_style
        opens = is_flow and self.source.text[start] in "{["
        if opens:
            self.open_flows.append(start)
        if isinstance(event, events.SequenceStartEvent):
            node = self._read_sequence(position, stream)
        else:
            node = self._read_mapping(position, stream)
        if opens:
            self.open_flows.pop()
        return node

    def _read_sequence(self, position: Position, stream: Iterator[events.Event]) -> Node:
        items = []
        while not isinstance(item := next(stream), events.SequenceEndEvent):
            items.append(self._read_node(item, stream))
        return Node(items, position)

    def _read_mapping(self, position: Position, stream: Iterator[events.Event]) -> Node:
        children: dict[str, Node] = {}
        keys: list[tuple[str, Position]] = []
        while not isinstance(event := next(stream), events.MappingEndEvent):
            place = self.source.place_of(event)
            key_node = self._read_node(event, stream)
            child = self._read_node(next(stream), stream)
            if not isinstance(event, events.ScalarEvent) or event.value == "":
                shown = describe(key_node.plain())
                self.problems.append(place.problem(f"a key must be a word; this is {shown}"))
                continue
            key = event.value
            if key in children:
                first = dict(keys)[key]
                reason = f"the key '{key}' is repeated here; it is already at line {first.line}"
                self.problems.append(place.problem(reason))
            children[key] = child
            keys.append((key, place))
        return Node(children, position, tuple(keys))

    def _read_scalar(self, event: events.ScalarEvent, position: Position) -> Any:  # noqa: ANN401
        if surrogate := _SURROGATE.search(event.value):
            self.problems.append(position.problem(_refuse_character(ord(surrogate[0]))))
        if event.style is not None:
            return event.value
        try:
            return read_scalar(event.value, position)
        except ConfigError as error:
            self.problems += error.problems
            return None


def find_invisible(text: str) -> Iterator[tuple[int, str]]:
    """Yields where characters that look like a space, or like nothing, stand outside of quotes.

    YAML takes them for letters: `epochs:` followed by a no-break space is not a key. Each comes
    with the reason to refuse it.
    """
    for found in _QUOTED_COMMENT_OR_INVISIBLE.finditer(text):
        character = found[1] and found[1][0]
        if character:
            name = unicodedata.name(character, "a control character").lower()
            is_space = unicodedata.category(character) == "Zs"
            fix = "write a normal space" if is_space else "delete it"
            yield (
                found.start(),
                f"an invisible character here, U+{ord(character):04X} ({name}); {fix}, or put "
                "the text in quotes if it belongs there",
            )


def find_comments(text: str) -> dict[int, str]:
    """Returns each comment, without its `#`, by the line in which it stands, counted from 1."""
    return {
        text.count("\n", 0, found.start()) + 1: found[0].strip("# ")
        for found in re.finditer(_QUOTED_OR_COMMENT, text, re.DOTALL)
        if found[0].startswith("#")
    }


def _find_unclosed(error: yaml.YAMLError, open_flows: list[int], source: _Source) -> Problem | None:
    """Returns a problem at the quote, `{` or `[` that is never closed, else None.

    YAML finds that out much later, often at the end of the file.
    """
    if getattr(error, "context", None) == "while scanning a quoted scalar":
        start = error.context_mark.index  # type: ignore[attr-defined]
    elif open_flows and not _is_closed(source.text, open_flows[-1]):
        start = open_flows[-1]
    else:
        return None
    reason = f"not valid YAML: the {source.text[start]} that opens here is not closed"
    return source.place_at(start).problem(reason)


def _is_closed(text: str, start: int) -> bool:
    """Whether the bracket at `start` has its partner, with those in between in pairs."""
    expected: list[str] = []
    for found in _QUOTED_COMMENT_OR_BRACKET.finditer(text, start):
        if found[1] and found[1] in "{[":
            expected.append("}" if found[1] == "{" else "]")
        elif found[1] and found[1] != expected.pop():
            return False
        if not expected:
            return True
    return False


def _refuse_character(code: int) -> str:
    return f"the character U+{code:04X} is not allowed"


def _syntax_problem(error: yaml.YAMLError, source: _Source) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        code = ord(error.character) if isinstance(error.character, str) else error.character
        return source.place_at(error.position).problem(_refuse_character(code))
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = source.place(mark.line, mark.column) if mark else source.place(0, 0)
    context, reason = getattr(error, "context", None), getattr(error, "problem", None)
    words = ", ".join(str(part) for part in (context, reason) if part) or str(error)
    words = next((plain for jargon, plain in _PLAIN_WORDS.items() if jargon in words), words)
    return place.problem(f"not valid YAML: {words}")

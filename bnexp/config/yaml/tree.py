"""Changes to a config's tree before it is validated: inheritance, overrides, sweep values.

Every node keeps its own position, so a mistake in a base file, an override or a
sweep's value is reported where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bnexp.config.finding import KeyPath, dotted
from bnexp.config.shipped import SUFFIXES, find_shipped
from bnexp.config.yaml.node import Node, Position, describe
from bnexp.config.yaml.problems import collecting
from bnexp.config.yaml.reader import MAX_DEPTH, find_invisible, read_yaml, read_yaml_file
from bnexp.errors import ConfigError, Problem, UsageError
from bnexp.foreign_text import shorten
from bnexp.wording import show_path

MAX_FILES = 50
MAX_FILE_DEPTH = 20

_AXES = ("grid", "zip")
"""The parts of a sweep whose keys are those of the config, dotted."""


def read_tree(path: Path, problems: list[Problem]) -> Node:
    """Reads a config file and merges it over the files that it extends.

    What is wrong with those goes to `problems`, and the tree is then without them.

    Raises:
        UsageError: The file itself cannot be read.
        ConfigError: Its YAML is wrong.
    """
    return _TreeReader(problems).read(path, ())


@dataclass
class _TreeReader:
    """Reads each file of one config once, however often it is extended."""

    problems: list[Problem]
    trees: dict[Path, Node] = field(default_factory=dict)
    """The merged tree of each file that was read, by its resolved path."""
    is_full: bool = False
    """Whether there are too many files, which is reported once."""

    def read(self, path: Path, children: tuple[Path, ...]) -> Node:
        """Reads a file that the files `children` extend, the config's own file first."""
        node = flatten_keys(read_yaml_file(path))
        seen = (*children, path.resolve())
        extends = node.children.get("extends")
        if extends is not None:
            merged = Node({}, node.position)
            for item in extends.items if isinstance(extends.value, list) else [extends]:
                with collecting(self.problems):
                    merged = merge(merged, self._read_base(item, path.parent, seen))
                if self.is_full:
                    break
            node = _merge_children(merged, node.without("extends"))
        self.trees[seen[-1]] = node
        return node

    def _read_base(self, item: Node, folder: Path, seen: tuple[Path, ...]) -> Node:
        base = _find_base(item, folder)
        resolved = base.resolve()
        reason = None
        if resolved in seen:
            circle = " → ".join(file.name for file in (*seen, base))
            reason = f"the files extend each other in a circle: {circle}"
        elif resolved in self.trees:
            return self.trees[resolved]
        elif len(self.trees) >= MAX_FILES:
            self.is_full = True
            reason = f"more than {MAX_FILES} files; extend fewer"
        elif len(seen) >= MAX_FILE_DEPTH:
            reason = f"the files extend each other more than {MAX_FILE_DEPTH} deep"
        if reason:
            raise ConfigError([item.position.problem(reason, "extends")])
        self.trees[resolved] = Node({}, item.position)  # so that a wrong file is reported once
        try:
            return self.read(base, seen)
        except ConfigError:
            raise
        except UsageError as error:
            raise ConfigError([item.position.problem(str(error), "extends")]) from error


def _find_base(item: Node, folder: Path) -> Path:
    if not isinstance(item.value, str):
        reason = f"must be a file or a list of files, not {describe(item.value)}"
        raise ConfigError([item.position.problem(reason, "extends")])
    base = folder / item.value
    try:
        base.resolve()
        if base.is_file():
            return base
        reason = f"'{show_path(base)}' is a folder" if base.is_dir() else ""
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, a circle of links
        why = getattr(error, "strerror", None) or error
        reason = f"cannot read '{show_path(base)}': {why}"
    if not reason:
        reason = f"no file '{show_path(base)}'"
        if base.suffix not in SUFFIXES:
            try:
                return find_shipped(item.value).path
            except UsageError as error:
                reason += f", and {error}"
    raise ConfigError([item.position.problem(reason, "extends")])


def merge(base: Node, over: Node) -> Node:
    """Returns the value at a key with that of `over` put on top, mapping by mapping.

    A mapping whose `name` differs from the base's replaces it whole: the options of
    one norm, model or optimiser mean nothing to another.
    """
    if isinstance(base.value, str) and over.mapping is not None:
        base = _write_out(base)
    if base.mapping is None or over.mapping is None:
        return over
    if _is_other_name(base.child("name"), over.child("name")):
        return over
    return _merge_children(base, over)


def _merge_children(base: Node, over: Node) -> Node:
    children = dict(base.value)
    keys = dict(base.keys)
    for key, child in over.value.items():
        children[key] = merge(children[key], child) if key in children else child
        keys[key] = over.key_position(key)
    return Node(children, over.position, tuple(keys.items()))


def _write_out(shorthand: Node) -> Node:
    """Writes `batch` out as `{name: batch}`."""
    return Node({"name": shorthand}, shorthand.position, (("name", shorthand.position),))


@dataclass(frozen=True)
class Assignment:
    """A value for a dotted key, from an override or a sweep, and where the key is written."""

    key: str
    place: Position
    value: Node

    @property
    def order(self) -> tuple[int, bool]:
        """Sorts assignments so that none undoes another: outer keys first, a part's name first."""
        words = self.key.split(".")
        return len(words), words[-1] != "name"

    def apply(self, tree: Node) -> Node:
        """Returns the tree with the value at the key replaced, or added.

        Giving a part another `name` (`model.norm.name`) drops the options of the one
        that stood there. A shorthand (`norm: batch`) is written out first.

        Raises:
            ConfigError: The key goes through a value that is not a mapping, outside a list, or
                deeper than a config goes.
        """
        if self.key.count(".") >= MAX_DEPTH:
            raise self._refuse(f"goes deeper than {MAX_DEPTH} levels")
        words = self.key.split(".")
        # A swept key is one key, whatever dots it has.
        if words[0] == "sweep" and words[1:2] in ([part] for part in _AXES):
            words = self.key.split(".", maxsplit=2)
        elif words[:3] == ["sweep", "tune", "over"]:
            words = self.key.split(".", maxsplit=3)
        return self._put(tree, words)

    def _put(self, node: Node, words: list[str]) -> Node:
        if not words:
            return self.value
        head, rest = words[0], words[1:]
        if isinstance(node.value, list):
            if not head.isdecimal() or int(head) >= len(node.value):
                last = len(node.value) - 1
                raise self._refuse(f"'{head}' is not an index of this list; use 0 to {last}")
            items = [*node.items]
            items[int(head)] = self._put(items[int(head)], rest)
            return replace(node, value=items)
        node = _write_out(node) if isinstance(node.value, str) else node
        if node.mapping is None and node.value is not None:
            raise self._refuse(f"goes through {describe(node.value)}, which has no keys")
        if (
            words == ["name"]
            and self.key != "name"
            and _is_other_name(node.child("name"), self.value)
        ):
            return Node({head: self.value}, self.place, ((head, self.place),))
        child = self._put(node.children.get(head, Node({}, self.place)), rest)
        keys = {**dict(node.keys), head: self.place}
        return Node({**node.children, head: child}, node.position, tuple(keys.items()))

    def _refuse(self, reason: str) -> ConfigError:
        return ConfigError([self.place.problem(reason, self.key)])


def apply_overrides(tree: Node, overrides: Sequence[str], problems: list[Problem]) -> Node:
    """Returns the tree with each `key=value` applied; values are typed as in YAML.

    Outer keys are set before inner ones and a part's name before its options,
    whatever their order on the command line. If a value is not YAML or its key goes
    nowhere, that is added to `problems` and the override is left out.

    Raises:
        UsageError: An override has no `=`, no key, or a character that is not allowed.
    """
    assignments = []
    for override in overrides:
        with collecting(problems):
            assignments.append(_read_override(override))
    for assignment in sorted(assignments, key=lambda one: one.order):
        with collecting(problems):
            tree = assignment.apply(tree)
    try:
        return flatten_keys(tree)
    except ConfigError as error:
        problems += error.problems
        return tree.without("sweep")


def flatten_keys(tree: Node) -> Node:
    """Returns the config's tree with dotted keys wherever a sweep or a claim names keys.

    `grid: {model: {norm: {name: [none, batch]}}}` is another way to write
    `grid: {model.norm.name: [none, batch]}`, and so it is in `zip`, `include`, `exclude`, and
    the `treatment` and `control` of a claim. A mapping at a swept key is a value in an include or
    exclude; in an include, so is one with a `name`, unless keys in it are swept.

    In each of the `tiers` as well.

    Raises:
        ConfigError: A key is written in both ways.
    """
    for tier, overlay in tree.section("tiers").children.items():
        if overlay.mapping:
            tree = _replace_at(tree, ("tiers", tier), _flatten_keys_of_tier(overlay, tier))
    for part in _AXES:
        tree = _flatten_at(tree, ("sweep", part), lambda key, child: False)
    for part in ("over", "in"):
        tree = _flatten_at(tree, ("sweep", "tune", part), lambda key, child: False)
    axes = (tree.child("sweep", part) for part in _AXES)
    swept = {key for node in axes if node for key in node.children}

    def is_included(key: str, child: Node) -> bool:
        is_split = any(inner.startswith(f"{key}.") for inner in swept)
        return key in swept or ("name" in child.children and not is_split)

    for part, is_value in (("include", is_included), ("exclude", lambda key, child: key in swept)):
        for index in range(len(tree.section("sweep").section(part).items)):
            tree = _flatten_at(tree, ("sweep", part, index), is_value)
    claims: list[KeyPath] = [("claim", index) for index in range(len(tree.section("claim").items))]
    for claim in claims or [("claim",)]:
        for side in ("treatment", "control"):
            tree = _flatten_at(tree, (*claim, side), lambda key, child: False)
    return tree


def _flatten_keys_of_tier(overlay: Node, tier: str) -> Node:
    try:
        return flatten_keys(overlay)
    except ConfigError as error:
        raise ConfigError(
            replace(problem, path=f"tiers.{tier}.{problem.path}") for problem in error.problems
        ) from error


def _flatten_at(tree: Node, path: KeyPath, is_value: Callable[[str, Node], bool]) -> Node:
    """Returns the tree with dotted keys in the mapping at `path`, if there is one."""
    mapping = tree.child(*path)
    if not mapping or not mapping.mapping:
        return tree
    children: dict[str, Node] = {}
    places: dict[str, Position] = {}
    for key, place, child in _walk_keys(mapping, is_value):
        if key in children:
            reason = f"is set twice; it is already in line {places[key].line}"
            raise ConfigError([place.problem(reason, dotted((*path, key)))])
        children[key], places[key] = child, place
    return _replace_at(tree, path, Node(children, mapping.position, tuple(places.items())))


def _walk_keys(
    mapping: Node, is_value: Callable[[str, Node], bool], prefix: str = ""
) -> Iterator[tuple[str, Position, Node]]:
    for key, child in mapping.children.items():
        if child.mapping and not is_value(f"{prefix}{key}", child):
            yield from _walk_keys(child, is_value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", mapping.key_position(key), child


def _replace_at(tree: Node, path: KeyPath, node: Node) -> Node:
    """Returns the tree with another node at a path that exists."""
    if not path:
        return node
    child = tree.child(path[0])
    assert child is not None
    child = _replace_at(child, path[1:], node)
    if isinstance(path[0], int):
        return replace(tree, value=[*tree.items[: path[0]], child, *tree.items[path[0] + 1 :]])
    return replace(tree, value={**tree.value, path[0]: child})


def _read_override(override: str) -> Assignment:
    if surrogate := re.search("[\ud800-\udfff]", override):
        shown = shorten(override)
        raise UsageError(f"-s {shown}: the character U+{ord(surrogate[0]):04X} is not allowed")
    key, separator, text = override.partition("=")
    if not separator or not key.strip(". "):
        raise UsageError(f"-s {shorten(override)}: write KEY=VALUE, e.g. -s model.norm.name=none")
    place = Position(f"-s {override}", 1, 1)
    found = [Position(place.file, 1, i + 1).problem(why, key) for i, why in find_invisible(key)]
    if found:
        raise ConfigError(found)
    columns, key = len(key) + 1, key.strip()
    if key.split(".")[0] == "extends":
        reason = "only a file can extend another; write it there"
        raise ConfigError([place.problem(reason, key)])
    if key.split(".")[0] == "tiers":
        reason = "only a file can have tiers; --tier chooses one, and -s sets keys on top of it"
        raise ConfigError([place.problem(reason, key)])
    if not text.strip():
        return Assignment(key, place, Node(None, place))
    if_empty = "is only a comment; put a text with '#' in quotes"
    try:
        return Assignment(key, place, read_yaml(text, place.file, if_empty, columns))
    except ConfigError as error:
        raise ConfigError(replace(problem, path=key) for problem in error.problems) from error


def _is_other_name(old: Node | None, new: Node | None) -> bool:
    return old is not None and new is not None and old.value != new.value

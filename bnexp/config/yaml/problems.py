"""Turns pydantic's findings into problems with a place, a key and a reason in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from bnexp.config.finding import KeyPath, dotted
from bnexp.config.yaml.node import Node, Position, describe
from bnexp.errors import ConfigError, Problem, did_you_mean, suggest
from bnexp.familiar_names import find_ours
from bnexp.parts import keys_of, part_name
from bnexp.wording import write_value

M = TypeVar("M", bound=BaseModel)

REQUIRED = "this key is required"

_LIMITS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a name or a mapping with a name",
}


@contextmanager
def collecting(problems: list[Problem]) -> Iterator[None]:
    """Adds to `problems` what is wrong inside the block, and continues after it."""
    try:
        yield
    except ConfigError as error:
        problems += error.problems


def validate(tree: Node, model: type[M]) -> M:
    """Returns a tree as a config of the class `model`.

    Raises:
        ConfigError: One problem per finding of pydantic's, at the value (or key) that is wrong.
    """
    try:
        return model.model_validate(tree.plain(), context=tree.folder_of)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose items are wrong is reported as too short too; that is not news.
        news = [one for one in details if one["type"] != "too_short" or not one["input"]]
        raise ConfigError(_explain_one(detail, tree, model) for detail in news) from error


def locate(tree: Node, path: KeyPath) -> Position:
    """Returns where the value at `path` stands, or the nearest thing above it that exists."""
    keys, node = _resolve(tree, path)
    return node.position if keys else tree.position


def _explain_one(detail: Any, tree: Node, root: type[BaseModel]) -> Problem:  # noqa: ANN401
    location: KeyPath = detail["loc"]
    kind: str = detail["type"]
    if kind in ("missing", "extra_forbidden"):
        return _explain_key(kind, location, tree, root)
    path, node = _resolve(tree, location)
    models = _models_at(root, location)
    names = list(dict.fromkeys(name for model in models if (name := part_name(model))))  # type: ignore[arg-type]
    if kind == "union_tag_not_found":
        reason = f"{REQUIRED}: {'one of ' * (len(names) > 1)}{', '.join(names)}"
        return node.position.problem(reason, dotted((*path, "name")))
    if kind == "union_tag_invalid":
        path, node = (*path, "name"), node.children.get("name", node)
    elif path[-1:] != location[-1:] and any(
        location[-1] in keys_of(model) for model in _models_at(root, location[:-1])
    ):  # a field that is left out without a usable default: it must be given
        path = (*path, location[-1])
    hint = did_you_mean(write_value(node.value), names) if kind == "model_attributes_type" else ""
    return node.position.problem(_reason(kind, detail, node) + hint, dotted(path), kind)


def _explain_key(kind: str, location: KeyPath, tree: Node, root: type[BaseModel]) -> Problem:
    """Explains a key that is missing or unknown."""
    key = str(location[-1])
    if kind == "missing":
        path, node = _resolve(tree, location[:-1])
        return node.position.problem(REQUIRED, dotted((*path, key)))
    path, _ = _resolve(tree, location)
    place = (tree.child(*path[:-1]) or tree).key_position(key)
    models = _models_at(root, location[:-1])
    known = sorted({key for model in models for key in keys_of(model)})
    if models == [root] and "sweep" in known and not place.is_override:
        known = sorted([*known, "extends"])
    hint = suggest([*find_ours(key, known), *find_in_sections(root, key)])
    hint = hint or did_you_mean(key, known)
    reason = "unknown key" + (hint or f"; the keys here are {', '.join(known)}")
    return place.problem(reason, dotted(path))


def find_in_sections(root: type[BaseModel], key: str) -> Iterator[str]:
    """Yields `sweep.seeds` for `seeds`, and `optim.learning_rate` for `lr`.

    These are keys that every choice of a section has, the ones of exactly that name first.
    """
    shared: dict[str, list[str]] = {}
    for section, field in keys_of(root).items():
        names = [set(keys_of(model)) for model in models_in(field.annotation)]
        shared[section] = sorted(set[str]().union(*names).intersection(*names) - {"name"})
    yield from (f"{section}.{key}" for section, known in shared.items() if key in known)
    for section, known in shared.items():
        yield from (f"{section}.{name}" for name in find_ours(key, known))


def _reason(kind: str, detail: Any, node: Node) -> str:  # noqa: ANN401 - pydantic's details
    context = detail.get("ctx", {})
    got = describe(node.value)
    if kind in ("union_tag_invalid", "literal_error"):
        return _reason_of_choice(context, node.value)
    if kind in _LIMITS:
        (bound,) = context.values()
        return f"must be {_LIMITS[kind]} {float(bound):.12g}, not {got}"
    if kind in _KINDS:
        needs_quotes = kind == "string_type" and isinstance(node.value, int | float)
        fix = "; put it in quotes" * needs_quotes
        is_scalar = node.mapping is None and node.value is not None
        if kind == "tuple_type" and is_scalar and detail["loc"][-1] not in ("include", "exclude"):
            fix = f"; write [{write_value(node.value)}]"
        return f"must be {_KINDS[kind]}, not {got}{fix}"
    if kind == "value_error":  # raised by a part's own validator, in the words for the user
        return str(context["error"])
    message: str = detail["msg"]
    return {"finite_number": "must be a finite number", "too_short": "must not be empty"}.get(
        kind, message
    )


def _reason_of_choice(context: Any, got: Any) -> str:  # noqa: ANN401 - pydantic's details
    choices = context.get("expected_tags") or context["expected"].replace(" or ", ", ")
    known = [choice.strip("' ") for choice in choices.split(",")]
    hint = did_you_mean(got, known) if isinstance(got, str) else ""
    return f"{describe(got)} is not one of {', '.join(known)}" + hint


def _resolve(node: Node, location: KeyPath) -> tuple[KeyPath, Node]:
    """Follows a location of pydantic's, which holds the union tags that YAML does not.

    Of its readings, one that ends at the location's last key is taken before one that
    does not, and then the longest.
    """
    if not location:
        return (), node
    skipped = _resolve(node, location[1:])
    child = node.child(location[0])
    if child is None:
        return skipped
    path, found = _resolve(child, location[1:])
    taken = (location[0], *path), found
    return max(taken, skipped, key=lambda read: (read[0][-1:] == location[-1:], len(read[0])))


def _models_at(root: type[BaseModel], location: KeyPath) -> list[type[BaseModel]]:
    """Returns the config classes that may stand at a location of pydantic's."""
    here: list[type[BaseModel]] = [root]
    for key in location:
        if isinstance(key, int):
            continue
        fields = [keys_of(model)[key] for model in here if key in keys_of(model)]
        inner = [model for field in fields for model in models_in(field.annotation)]
        named = [one for one in here if part_name(one) == key or key in keys_of(one)]  # type: ignore[arg-type]
        here = inner or named or here
    return here


def models_in(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - a typing construct
    """Returns the config classes that a field of such a type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]

"""The section `tiers` of a config: overlays of it, of which a command's --tier puts one on top."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bnexp.config.yaml.node import Node, Position, describe
from bnexp.config.yaml.tree import merge
from bnexp.errors import Problem, UsageError, did_you_mean

TIER_NAME = "[a-z0-9-]{1,20}"
"""What the name of a tier looks like, as a regular expression."""

_NOT_OF_A_TIER = ("name", "extends", "tiers")


def put_tier(tree: Node, tier: str | None) -> Node:
    """Returns the config's tree, which has no `tiers` any more, with one of them put on top.

    None leaves the rest as it is. As in a file that extends another, a part with another `name`
    replaces the part below it whole, and null replaces anything.

    Raises:
        UsageError: There is no such tier.
    """
    base = tree.without("tiers")
    if tier is None:
        return base
    names = list_tiers(tree)
    if tier not in names:
        there_are = f"; there are {', '.join(names)}" if names else ": it has no section 'tiers'"
        hint = did_you_mean(tier, names) or there_are
        raise UsageError(f"--tier: {tree.position.file} has no tier '{tier}'{hint}")
    overlay = tree.section("tiers").children[tier]
    if overlay.mapping is None:
        return base
    return replace(merge(base, overlay), position=base.position)


def name_tier(tree: Node, tier: str | None) -> Node:
    """Returns the tree with the name that the experiment has with a tier: `<name>.<tier>`."""
    name = tree.child("name")
    if tier is None or name is None or not isinstance(name.value, str):
        return tree
    named = replace(name, value=f"{name.value}.{tier}")
    return replace(tree, value={**tree.value, "name": named})


def find_malformed_tiers(tree: Node) -> dict[str, Problem]:
    """Returns why what stands at a name below `tiers` is no tier; "" is for the whole section."""
    tiers = tree.child("tiers")
    return {} if tiers is None or tiers.value is None else dict(_find_malformed(tiers))


def _find_malformed(tiers: Node) -> Iterator[tuple[str, Problem]]:
    if tiers.mapping is None:
        reason = f"must be a mapping of tiers, e.g. {{smoke: {{…}}}}, not {describe(tiers.value)}"
        yield "", tiers.position.problem(reason, "tiers")
    for name, overlay in tiers.children.items():
        path, place = f"tiers.{name}", tiers.key_position(name)
        wrong = next((key for key in _NOT_OF_A_TIER if key in overlay.children), None)
        if not re.fullmatch(TIER_NAME, name):
            reason = "the name of a tier is 1 to 20 lower-case letters, digits and dashes"
            yield name, place.problem(reason, path)
        elif overlay.value is not None and overlay.mapping is None:
            reason = f"must be a mapping of what the tier changes, not {describe(overlay.value)}"
            yield name, overlay.position.problem(reason, path)
        elif wrong == "name":
            reason = f"cannot stand in a tier; with it the experiment is called <name>.{name}"
            yield name, overlay.key_position(wrong).problem(reason, f"{path}.{wrong}")
        elif wrong:
            reason = "cannot stand in a tier"
            yield name, overlay.key_position(wrong).problem(reason, f"{path}.{wrong}")


def find_tier_problems(
    tree: Node, tier: str | None, find_problems: Callable[[Node], Sequence[Problem]]
) -> Iterator[Problem]:
    """Yields what is wrong with the tiers that were not chosen, and is not wrong without them.

    Args:
        tree: The config without overrides, which are meant for the tier that was chosen.
        tier: The tier that was chosen.
        find_problems: Returns everything that is wrong with a config.
    """
    known: set[Problem] | None = None
    for name in list_tiers(tree):
        if name == tier or not (found := find_problems(name_tier(put_tier(tree, name), name))):
            continue
        if known is None:
            known = {*find_problems(put_tier(tree, None))}
        for problem in found:
            if problem not in known:
                placed = place_in_tier(problem, tree, name)
                is_there = placed.path != problem.path
                words = "" if is_there else f" (with tier {name})"
                yield replace(placed, reason=f"{problem.reason}{words}")


def place_in_tier(problem: Problem, tree: Node, tier: str | None) -> Problem:
    """Returns a problem of the config with a tier, with its path in the tier if it stands there."""
    overlay = tree.section("tiers").child(tier) if tier else None
    place = Position(problem.file, problem.line, problem.column)
    if overlay is None or place not in _list_places(overlay):
        return problem
    return replace(problem, path=f"tiers.{tier}.{problem.path}")


def _list_places(node: Node) -> set[Position]:
    children = [*node.children.values(), *node.items]
    inner = (_list_places(child) for child in children)
    return {node.position, *(place for _, place in node.keys)}.union(*inner)


def list_tiers(tree: Node) -> list[str]:
    """Returns the names of a config's tiers."""
    return [*tree.section("tiers").children]

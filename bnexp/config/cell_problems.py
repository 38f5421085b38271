"""Which cells of a sweep a mistake is in, and the value of the sweep that makes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from bnexp.config.sweep.cells import Cell
from bnexp.config.sweep.choices import Choice, canonical_label
from bnexp.config.yaml.node import Node, Position
from bnexp.errors import Problem
from bnexp.wording import count

CheckedCell = tuple[Cell, Sequence[Problem]]
"""A cell with what is wrong in it."""


def place_problems(checked: Sequence[CheckedCell], num_cells: int) -> list[Problem]:
    """Returns each problem once, so that it tells which of the sweep's cells have it.

    One that every cell has, or exactly those with the value at which it stands, stays as
    it is. Any other is moved to the value of the sweep that makes it: the only one that
    all of its cells have and no sound cell has. Where there is no such value, or the
    problem is in some of its cells alone, the first cell that has it is named.

    Args:
        checked: The cells that were looked at.
        num_cells: The cells of the sweep; the others may have these problems as well.
    """
    failing: dict[Problem, list[int]] = {}
    for number, (_, problems) in enumerate(checked):
        for problem in dict.fromkeys(problems):
            failing.setdefault(problem, []).append(number)
    if not failing:
        return []
    index = _index_values(checked)
    at_least = "at least " if len(checked) < num_cells else ""
    placed = []
    for problem, numbers in failing.items():
        moved, is_explained = index.place(problem, numbers)
        if not is_explained:
            others = count(len(numbers) - 1, "other")
            more = f" and {at_least}{others}" if len(numbers) > 1 else ""
            cells = f"in the cell {checked[numbers[0]][0].name}{more}"
            moved = replace(moved, reason=f"{moved.reason} ({cells})")
        placed.append(moved)
    return placed


@dataclass(frozen=True)
class _ValueIndex:
    """The numbers of the cells that have each value of the sweep."""

    cells: Sequence[Cell]
    sound: frozenset[int]
    """The cells without any problem."""
    by_place: dict[Position, set[int]] = field(default_factory=dict)
    """By where a value, a part of one, or its key stands."""
    by_value: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    """By the key and the value's canonical label."""
    values: set[Position] = field(default_factory=set)

    def add(self, choice: Choice, numbers: set[int]) -> None:
        """Adds a value with the cells that have it."""
        places = set(places_in(choice.value))
        self.values.update(places)
        for place in (*places, choice.place):
            self.by_place.setdefault(place, set()).update(numbers)
        self.by_value.setdefault(_identity(choice), set()).update(numbers)

    def place(self, problem: Problem, numbers: Sequence[int]) -> tuple[Problem, bool]:
        """Returns a problem of some cells at its place, and whether that tells the cells."""
        failing = set(numbers)
        place = Position(problem.file, problem.line, problem.column)
        if len(failing) == len(self.cells) or self.by_place.get(place) == failing:
            return problem, True
        if place in self.values:
            return problem, False
        makers = [
            choice for choice in self.cells[numbers[0]].choices if self._makes(choice, failing)
        ]
        if len(makers) != 1:
            return problem, False
        value = makers[0].value.position
        moved = replace(problem, file=value.file, line=value.line, column=value.column)
        return moved, self.by_value[_identity(makers[0])] == failing

    def _makes(self, choice: Choice, failing: set[int]) -> bool:
        having = self.by_value[_identity(choice)]
        return bool(self.sound) and failing <= having and self.sound.isdisjoint(having)


def _index_values(checked: Sequence[CheckedCell]) -> _ValueIndex:
    sound = frozenset(number for number, (_, problems) in enumerate(checked) if not problems)
    index = _ValueIndex([cell for cell, _ in checked], sound)
    # The cells of a grid share their choices, so that each is looked into once.
    choices: dict[int, tuple[Choice, set[int]]] = {}
    for number, cell in enumerate(index.cells):
        for choice in cell.choices:
            choices.setdefault(id(choice), (choice, set()))[1].add(number)
    for choice, numbers in choices.values():
        index.add(choice, numbers)
    return index


def _identity(choice: Choice) -> tuple[str, str]:
    return choice.key, canonical_label(choice.value)


def places_in(node: Node) -> Iterator[Position]:
    """Yields where a value and all that is in it stand."""
    yield node.position
    yield from (place for _, place in node.keys)
    children = node.value if isinstance(node.value, list) else (node.mapping or {}).values()
    for child in children:
        yield from places_in(child)

"""The section `sweep.tune`: which values each cell tries before its measured runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from bnexp.config.sweep.choices import Choice, Row, find_key_problem, overlap, read_choices
from bnexp.config.train import MAX_SEED
from bnexp.config.yaml.node import Node, describe
from bnexp.errors import Problem
from bnexp.parts import Part

Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class TuneConfig(Part):
    """Values that are chosen for each cell, or for several, before the measured runs.

    ```yaml
    sweep:
      seeds: 5
      grid: {model.norm.name: [none, batch]}
      tune: {over: {optim.learning_rate: [0.03, 0.1, 0.3]}, by: val/accuracy, seeds: [100, 101]}
    ```

    trains each cell with each learning rate and seeds 100 and 101, in
    `runs/<name>/_tune/<cell>,learning_rate=0.1/`, and then its seeds 0 to 4 with the rate that was
    best on validation images; with `in` or `each`, fewer cells are tried, or several share a
    choice. The names of the cells do not change. A run that diverged counts as worst; of equally
    good values the smallest is taken. Tuning again, with other values, leaves alone what was
    measured with a value that is chosen again. Tuning runs are evaluated after the last epoch, with
    the running statistics, and nothing is measured inside them, whatever the measured runs do.
    """

    over: dict[str, Values]
    """Dotted keys, or keys nested as in the config, with the values to try: every combination."""
    by: Literal["val/accuracy", "val/loss"] = "val/accuracy"
    """What is best after the last epoch: its mean over the tuning seeds."""
    seeds: tuple[int, ...]
    """A list of seeds that no measured run uses, e.g. `[100, 101]`."""
    only_in: dict[str, Any] | None = Field(default=None, alias="in")
    """Keys and values of an arm, e.g. `{model.norm.name: none}`: only cells that have them are
    tuned, together, and what is best there is used for all cells, or for all that share the keys
    of `each`."""
    each: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Keys that cells share which are tuned together, e.g. `[model.norm.name]`: all cells of a norm
    use what is best on average over them, or over those of them that `in` names. Null: each cell
    is tuned by itself, or, with `in`, all together."""

    @property
    def shares(self) -> bool:
        """Whether a choice may be used for several cells."""
        return self.only_in is not None or self.each is not None

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_seeds(cls, seeds: Any) -> Any:  # noqa: ANN401 - any YAML value
        """Reports one mistake, in the words for the user."""
        if not isinstance(seeds, list | tuple):
            raise ValueError(f"must be a list of seeds, e.g. [100, 101], not {describe(seeds)}")
        for seed in seeds:
            if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
                reason = f"a seed is a whole number from 0 to {MAX_SEED}, not {describe(seed)}"
                raise ValueError(reason)
        if not seeds or len(set(seeds)) < len(seeds):
            raise ValueError("the same seed is listed twice" if seeds else "must not be empty")
        return seeds


def list_combinations(sweep: Node) -> list[Row]:
    """Returns every combination of the values of `tune.over`, the last key varying fastest."""
    tune = sweep.section("tune")
    return list(itertools.product(*read_choices(tune, "over", "sweep.tune.over").values()))


def find_tune_problems(
    sweep: Node, swept: Mapping[str, str], seeds: Sequence[int]
) -> Iterator[Problem]:
    """Yields what is wrong with a well-formed `tune`, as far as it does not depend on a cell.

    Args:
        sweep: The section `sweep`.
        swept: The keys that it sweeps, each with where.
        seeds: The measured seeds.
    """
    tune = sweep.section("tune")
    axes = read_choices(tune, "over", "sweep.tune.over")
    if not axes:
        yield tune.section("over").position.problem("needs at least one key", "sweep.tune.over")
    for key, choices in axes.items():
        first = choices[0]
        others = {**swept, **{one: "sweep.tune.over" for one in axes if one != key}}
        twice = next(
            (f"'{one}', which {others[one]} sets" for one in others if overlap(one, key)), ""
        )
        if reason := find_key_problem(key):
            yield first.place.problem(reason, first.path)
        elif twice:
            yield first.place.problem(f"overlaps {twice}", first.path)
        if len(choices) < 2:
            reason = "needs at least two values to choose from"
            yield first.value.position.problem(reason, first.path)
        yield from _find_repeated(choices)
    for seed in tune.section("seeds").items:
        if seed.value in seeds:
            reason = f"{seed.value} is a measured seed too; tune with others, e.g. [100, 101]"
            yield seed.position.problem(reason, "sweep.tune.seeds")


def _find_repeated(choices: Sequence[Choice]) -> Iterator[Problem]:
    seen: set[str] = set()
    for choice in choices:
        if choice.canonical_label in seen:
            reason = f"the value {choice.label} is listed twice"
            yield choice.value.position.problem(reason, choice.path)
        seen.add(choice.canonical_label)

"""The section `sweep` of a config, as a user writes it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from bnexp.config.train import MAX_SEED
from bnexp.config.yaml.node import describe
from bnexp.parts import Part

Values = Annotated[tuple[Any, ...], Field(min_length=1)]


def _find_seeds_problem(seeds: Any) -> str | None:  # noqa: ANN401 - any YAML value
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if seeds < 1:
            return "must be at least 1, or a list of seeds"
        return None if seeds <= MAX_SEED + 1 else f"must be at most {MAX_SEED + 1}"
    if not isinstance(seeds, list | tuple):
        return f"must be a number of seeds or a list of seeds, not {describe(seeds)}"
    if not seeds:
        return "the list must not be empty; null trains train.seed alone"
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
            return f"a seed is a whole number from 0 to {MAX_SEED}, not {describe(seed)}"
    return "the same seed is listed twice" if len(set(seeds)) < len(seeds) else None


class SweepConfig(Part):
    """The variants to train: the grid's combinations with the zip's rows, each over the seeds.

    `exclude` removes some of these cells, `include` adds others:

    ```yaml
    sweep:
      seeds: 3
      grid: {model.norm.name: [none, batch], optim.learning_rate: [0.1, 0.3, 1.0]}
      exclude:
        - {model.norm.name: none, optim.learning_rate: [0.3, 1.0]}   # these diverge
      include:
        - {model.norm.name: group, model.norm.num_groups: 8}
    ```

    makes `norm=none,learning_rate=0.1`, three cells of `norm=batch` and one more,
    `norm=group,num_groups=8`, with the learning rate from `optim`.

    - A cell of the grid and the zip is left out if it has, for each key of one of the
      excludes, its value (or one of its values). A key that is not swept, a value that the key
      never has, and an exclude that matches no cell are errors, as is leaving nothing.
      Cells of `include` are never excluded.
    - An include sets any keys, swept or not; what it does not set is as in the config
      without the sweep. The cell is named after the keys that it sets. Making a cell
      that exists already is an error. Without grid and zip, the config itself is the cell
      `base`.
    - Neither renames another cell. Tables show, for every key that a grid, zip or include sets,
      the value that each cell has.
    - Runs are counted before `exclude` takes any out: a sweep of more than `max_runs` is refused
      before it is built, whatever is excluded, unless `max_runs` is raised.
    """

    seeds: int | tuple[int, ...] | None = None
    """A number n for the seeds 0 … n−1, or a list of seeds; null trains `train.seed` alone."""
    grid: dict[str, Values] | None = None
    """Dotted keys, e.g. `model.norm.name`, or keys nested as in the config, with the list of
    values that each is to take; every combination is a cell."""
    zip: dict[str, Values] | None = None
    """Dotted keys with equally long lists: all first values are one variant, and so on."""
    exclude: tuple[dict[str, Any], ...] | None = None
    """Cells to leave out: mappings of swept keys to the value, or list of values, to match."""
    include: tuple[dict[str, Any], ...] | None = None
    """More cells: each a mapping of keys, dotted or nested, to their values, swept or not."""
    max_runs: int = Field(default=10_000, ge=1)
    """The sweep is refused if it has more runs than this, excluded ones included."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_seeds(cls, seeds: Any) -> Any:  # noqa: ANN401 - any YAML value
        """Reports one mistake; the union of number and list would report one for each."""
        if seeds is not None and (reason := _find_seeds_problem(seeds)):
            raise ValueError(reason)
        return seeds

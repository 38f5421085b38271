"""The section `sweep` of a config, as a user writes it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from bnexp.config.sweep.looks import FEWEST, MOST, planned_looks
from bnexp.config.sweep.tuning import TuneConfig, Values
from bnexp.config.train import MAX_SEED
from bnexp.config.yaml.node import describe
from bnexp.parts import Part


def _find_seeds_problem(seeds: Any) -> str | None:  # noqa: ANN401 - any YAML value
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if seeds < 1:
            return "must be at least 1, or a list of seeds"
        return None if seeds <= MAX_SEED + 1 else f"must be at most {MAX_SEED + 1}"
    if not isinstance(seeds, list | tuple):
        forms = "a number of seeds, a list of seeds, or {min: 3, max: 20}"
        return f"must be {forms}, not {describe(seeds)}"
    if not seeds:
        return "the list must not be empty; null trains train.seed alone"
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
            return f"a seed is a whole number from 0 to {MAX_SEED}, not {describe(seed)}"
    return "the same seed is listed twice" if len(set(seeds)) < len(seeds) else None


class LooksConfig(Part):
    """As many seeds as it takes: claims are looked at between `min` and `max` seeds.

    The looks are at 3, 4, 5, 6, 8, 10, 13, 16 and 20 seeds, as far as they lie between `min` and
    `max`, which are looks too. After each, cells that no undecided claim needs are left alone.
    Without claims, all `max` seeds are trained.
    """

    min: int = Field(ge=FEWEST, le=MOST)
    """Seeds of every cell before claims are first looked at."""
    max: int = Field(ge=FEWEST, le=MOST)
    """Seeds after which no more are added, whatever is decided."""
    first: int = Field(default=0, ge=0, le=MAX_SEED + 1 - MOST)
    """The first seed; the others follow it: 100 leaves alone the seeds that a pilot used."""

    @field_validator("max")
    @classmethod
    def _check_max(cls, most: int, info: ValidationInfo) -> int:
        fewest = info.data.get("min", most)
        if most < fewest:
            raise ValueError(f"must be at least min, {fewest}, not {most}")
        return most

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds after which claims are looked at."""
        return planned_looks(self.min, self.max)

    @property
    def seeds(self) -> range:
        """All of them, in the order in which they are trained."""
        return range(self.first, self.first + self.max)


def _name_kind(seeds: object) -> str:
    is_looks = isinstance(seeds, dict | LooksConfig)
    return "looks" if is_looks else "list" if isinstance(seeds, list | tuple) else "number"


Seeds = Annotated[
    Annotated[int, Tag("number")]
    | Annotated[tuple[int, ...], Tag("list")]
    | Annotated[LooksConfig, Tag("looks")],
    Discriminator(_name_kind),
]


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
    - A claim whose sides match cells of the grid and the zip and included ones as well is about
      the former; a side that is meant to be an included cell names a key that it sets.
    - Neither renames another cell. Tables show, for every key that a grid, zip or include sets,
      the value that each cell has.
    - Runs are counted before `exclude` takes any out: a sweep of more than `max_runs` is refused
      before it is built, whatever is excluded, unless `max_runs` is raised.
    """

    seeds: Seeds | None = None
    """A number n for the seeds 0 … n−1, a list of seeds, or `{min: 3, max: 20}` for as many as
    the claims need; null trains `train.seed` alone."""
    grid: dict[str, Values] | None = None
    """Dotted keys, e.g. `model.norm.name`, or keys nested as in the config, with the list of
    values that each is to take; every combination is a cell."""
    zip: dict[str, Values] | None = None
    """Dotted keys with equally long lists: all first values are one variant, and so on."""
    exclude: tuple[dict[str, Any], ...] | None = None
    """Cells to leave out: mappings of swept keys to the value, or list of values, to match."""
    include: tuple[dict[str, Any], ...] | None = None
    """More cells: each a mapping of keys, dotted or nested, to their values, swept or not."""
    tune: TuneConfig | None = None
    """Values that each cell tries on seeds of their own, before its measured runs."""
    max_runs: int = Field(default=10_000, ge=1, le=100_000)
    """The sweep is refused if it has more runs than this, excluded ones and tuning included."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_seeds(cls, seeds: Any) -> Any:  # noqa: ANN401 - any YAML value
        """Reports one mistake of a number or list in the words for the user."""
        if seeds is None or isinstance(seeds, dict | LooksConfig):
            return seeds
        if reason := _find_seeds_problem(seeds):
            raise ValueError(reason)
        return seeds

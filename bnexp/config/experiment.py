"""The root of the schema: what a YAML file may say, composed of the parts' own configs."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from bnexp.config.checkpoint_interval import CheckpointInterval, read_interval
from bnexp.config.claim.config import ClaimConfig
from bnexp.config.optim import AnyOptimizer, SgdConfig
from bnexp.config.yaml.node import describe
from bnexp.data import AnyDataset
from bnexp.models import AnyModel
from bnexp.parts import Part

MAX_SEED = 2**31 - 1
PLACE_AND_SAVING = ("device", "threads", "checkpoint_every")
"""Keys of `train` that leave a run the same run."""


class TrainConfig(Part):
    """How long, on what and how exactly to train."""

    epochs: int = Field(default=10, ge=1)
    """Passes over the training images."""
    seed: int = Field(default=0, ge=0, lt=MAX_SEED + 1)
    """Determines initial values, data order and augmentation; a sweep's seeds replace it."""
    device: str = "auto"
    """auto (CUDA, else MPS, else CPU), cpu, mps, cuda or cuda:N."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """fp32, or bf16: convolutions and products in bfloat16, parameters and statistics in fp32."""
    compile: bool = False
    """Compile the network with torch.compile: a slow start, faster steps on a GPU."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; null takes PyTorch's choice. The count changes the last bits of a result."""
    log_every: int = Field(default=50, ge=1)
    """Steps from one row of training metrics to the next; each epoch ends with a row."""
    divergence_loss: float = Field(default=1000.0, gt=0)
    """A batch's mean loss (nats an image) above this, or one that is not finite, ends the run."""

    checkpoint_every: int | str | None = "30s"
    """Steps (`500`) or time (`30s`, `5min`, `1h`) from one checkpoint to the next; null: only at
    the end. A time is stretched where saving would take more than 1 % of it. Not part of what
    makes a run another one."""

    @property
    def checkpoint_interval(self) -> CheckpointInterval:
        """`checkpoint_every`, read."""
        return read_interval(self.checkpoint_every)

    @field_validator("checkpoint_every", mode="before")
    @classmethod
    def _check_interval(cls, every: Any) -> Any:  # noqa: ANN401 - any YAML value
        """Tells one mistake, where the union of number and text would tell one of each."""
        try:
            read_interval(every)
        except ValueError as error:
            raise PydanticCustomError("interval", "{reason}", {"reason": str(error)}) from error
        return every

    @field_validator("device")
    @classmethod
    def _check_device(cls, device: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", device):
            raise PydanticCustomError(
                "device",
                "'{device}' is none of auto, cpu, mps, cuda, cuda:0, cuda:1, …",
                {"device": device},
            )
        return device


class EvaluateConfig(Part):
    """With which statistics the norms are evaluated after each epoch."""

    population_statistics: tuple[Literal["ema", "precise", "batch"], ...] = ("ema",)
    """`ema`: the running statistics; beside it `precise` (pooled anew over training images) and
    `batch` (each batch its own). They add the tags `test_precise/…` and `test_batch/…`."""
    precise_images: int = Field(default=10_000, ge=2)
    """Training images that `precise` pools over, in whole batches; all where there are fewer."""

    @field_validator("population_statistics")
    @classmethod
    def _require_ema(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if "ema" not in kinds:
            raise PydanticCustomError(
                "ema", "must hold ema, which test/accuracy stands on; the others go beside it"
            )
        if len(set(kinds)) < len(kinds):
            raise PydanticCustomError("twice", "the same statistics stand twice")
        return kinds


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
    return "the same seed stands twice" if len(set(seeds)) < len(seeds) else None


class SweepConfig(Part):
    """The variants to train: the grid's combinations with the zip's rows, each over the seeds.

    `exclude` takes cells out of these, `include` adds cells of its own:

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
    `norm=group,num_groups=8`, with the learning rate that stands in `optim`.

    - A cell of the grid and the zip is left out where it has, for each key of one of the
      excludes, its value (or one of its values). A key that is not swept, a value that the key
      never has, and an exclude that matches no cell are errors, as is leaving nothing.
      Cells of `include` are never excluded.
    - An include sets any keys, swept ones or others; what it does not set is as in the config
      without the sweep. The cell is named after the keys that it sets. One that makes a cell
      that is there already is an error. Without grid and zip, the config itself is the cell
      `base`.
    - Neither renames another cell. Tables show, for every key that a grid, zip or include sets,
      the value that each cell has.
    - Runs are counted before `exclude` takes any out: a sweep of more than `max_runs` is refused
      before it is built, whatever is excluded, unless `max_runs` is raised.
    """

    seeds: int | tuple[int, ...] | None = None
    """A number n for the seeds 0 … n−1, or a list of seeds; null trains `train.seed` alone."""
    grid: dict[str, tuple[Any, ...]] | None = None
    """Dotted keys with the list of values that each is to take; every combination is a cell."""
    zip: dict[str, tuple[Any, ...]] | None = None
    """Dotted keys with equally long lists: all first values are one variant, and so on."""
    exclude: tuple[dict[str, Any], ...] | None = None
    """Cells to leave out: mappings of swept keys to the value, or list of values, to match."""
    include: tuple[dict[str, Any], ...] | None = None
    """More cells: each a mapping of dotted keys to their values, swept keys or others."""
    max_runs: int = Field(default=10_000, ge=1)
    """The sweep is refused where it has more runs than this, excluded ones counted too."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_seeds(cls, seeds: Any) -> Any:  # noqa: ANN401 - any YAML value
        """Tells one mistake, where the union of number and list would tell one of each."""
        reason = None if seeds is None else _find_seeds_problem(seeds)
        if reason:
            raise PydanticCustomError("seeds", "{reason}", {"reason": reason})
        return seeds


class ExperimentConfig(Part):
    """One experiment: data, model, optimiser, training, and the sweep over variants of them."""

    name: str
    """Names the folder of its runs: 1 to 80 letters, digits, dots, dashes and underscores."""
    data: AnyDataset
    """The dataset, its split, augmentation and batch size."""
    model: AnyModel
    """The network and its norm."""
    optim: AnyOptimizer = SgdConfig()
    """The optimiser and its learning-rate schedule."""
    train: TrainConfig = TrainConfig()
    """Epochs, seed, device and precision."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """With which statistics the norms are evaluated."""
    sweep: SweepConfig | None = None
    """The variants to compare; null trains this config alone."""
    claim: tuple[ClaimConfig, ...] = ()
    """What is predicted of these variants: one claim, or a list of them."""

    @field_validator("claim", mode="before")
    @classmethod
    def _accept_one_claim(cls, claim: Any) -> Any:  # noqa: ANN401 - any YAML value
        if claim is None:
            return ()
        return (claim,) if isinstance(claim, dict) else claim

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name):
            raise PydanticCustomError(
                "name", "names a folder: 1 to 80 letters, digits, dots, dashes and underscores"
            )
        if not name.strip("."):
            raise PydanticCustomError("name", "must have a letter or a digit; it names a folder")
        return name

    def fingerprint(self) -> str:
        """Returns the SHA-256 of all that makes a run another one.

        Its name, sweep and claims do not, nor do the device and the CPU threads: where a run was
        done is recorded with it, a comparison says where that differs, and a run that was cut
        off does not go on elsewhere unasked. Nor does how often it is saved.
        """
        content = self.model_dump(mode="json", exclude={"name", "sweep", "claim"})
        for key in PLACE_AND_SAVING:
            del content["train"][key]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

"""How a run trains, evaluates and saves: the sections `train` and `evaluate`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from bnexp.foreign_text import shorten
from bnexp.parts import Part

MAX_SEED = 2**31 - 1
MOST_PACKED = 1024
NOT_FINGERPRINTED: Mapping[str, set[str]] = {
    "train": {"device", "threads", "pack", "checkpoint_every"},
    "evaluate": {"mistakes"},
}
"""Keys that may change without making it another run: where it runs, how it saves, what it shows.
By their section."""

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h)")


@dataclass(frozen=True)
class CheckpointInterval:
    """Steps or seconds from one checkpoint to the next; neither: only when the run ends."""

    steps: int | None = None
    seconds: float | None = None


def read_interval(value: int | str | None) -> CheckpointInterval:
    """Returns what `train.checkpoint_every` says.

    Raises:
        ValueError: It is not an interval; the message says what one looks like.
    """
    if value is None:
        return CheckpointInterval()
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError(f"must be at least 1 step, not {value}")
        return CheckpointInterval(steps=value)
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if not found:
        shown = "true or false" if isinstance(value, bool) else shorten(repr(value))
        raise ValueError(
            "must be a whole number of steps, e.g. 500, a time, e.g. 30s, 5min or 1h, or null, "
            f"not {shown}"
        )
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds <= 0:
        raise ValueError(f"must be more than 0, not {value}; null saves only at the end")
    return CheckpointInterval(seconds=seconds)


class TrainConfig(Part):
    """How long, on what and how exactly to train."""

    epochs: int = Field(default=10, ge=1, le=1_000_000)
    """Passes over the training images."""
    seed: int = Field(default=0, ge=0, lt=MAX_SEED + 1)
    """Determines initial values, data order and augmentation; a sweep's seeds replace it."""
    trainable: Literal["all", "norms", "as_many_as_norms"] = "all"
    """What is trained: all parameters; the norms' own (γ and β) alone; or as many random weights
    of the layers before the last as the norms have, equally many per filter, chosen by the seed.
    The rest stays at its initial values, bit for bit (Frankle et al. 2021)."""
    train_output_layer: bool = False
    """Train the last linear layer too, if `trainable` is not `all`; the paper leaves it at its
    random values."""
    device: str = "auto"
    """auto (CUDA, else MPS, else CPU), cpu, mps, cuda or cuda:N."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """fp32, or bf16: convolutions and products in bfloat16, parameters and statistics in fp32. On
    a CPU without instructions for it, bf16 is slower; a probe before training then warns."""
    memory_format: Literal["channels_last", "contiguous"] = "channels_last"
    """How feature maps lie in memory: the channels of a pixel side by side, for which the kernels
    of convolutions are fastest, or pixel after pixel of each channel. They differ in the last bits
    of a result; where a mean is far above its spread, `contiguous` is more exact on a CPU."""
    compile: bool = False
    """Compile the network with torch.compile: half a minute to start with, for steps that on a CPU
    are 0.73 to 1.25 times as fast (docs/performance.md); on a GPU it has not been measured."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; null leaves them to `--jobs` (docs/launching.md). The count changes the last
    bits of a result."""
    pack: int | str = "auto"
    """How many seeds of a cell train at once in one process, a step of each in turn; each ends with
    the bits that it has alone. `auto`: 16 on a CUDA GPU in bf16, or as many as its memory holds,
    if CUDA graphs can hold the network's steps and `--jobs` is auto; else 1. In fp32, and on a
    CPU, it makes nothing faster. It does not count for whether two runs are the same, but speed
    and memory are compared only between runs of equal packs."""
    log_every: int = Field(default=50, ge=1)
    """Steps from one row of training metrics to the next; each epoch ends with a row."""
    divergence_loss: float = Field(default=1000.0, gt=0)
    """A batch's mean loss (nats per image) above this, or one that is not finite, ends the run."""

    checkpoint_every: int | str | None = "30s"
    """Steps (`500`) or time (`30s`, `5min`, `1h`) from one checkpoint to the next; null: only at
    the end. A time is stretched if saving would take more than 1 % of it. It does not count for
    whether two runs are the same."""

    @property
    def checkpoint_interval(self) -> CheckpointInterval:
        """`checkpoint_every`, read."""
        return read_interval(self.checkpoint_every)

    @field_validator("checkpoint_every", mode="before")
    @classmethod
    def _check_interval(cls, every: Any) -> Any:  # noqa: ANN401 - any YAML value
        """Reports one mistake; the union of number and text would report one for each."""
        read_interval(every)
        return every

    @field_validator("pack", mode="before")
    @classmethod
    def _check_pack(cls, pack: Any) -> Any:  # noqa: ANN401 - any YAML value
        is_number = isinstance(pack, int) and not isinstance(pack, bool)
        if pack != "auto" and not (is_number and 1 <= pack <= MOST_PACKED):
            shown = shorten(repr(pack))
            raise ValueError(f"must be auto or a whole number from 1 to {MOST_PACKED}, not {shown}")
        return pack

    @field_validator("device")
    @classmethod
    def _check_device(cls, device: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", device):
            raise ValueError(f"'{device}' is not one of auto, cpu, mps, cuda, cuda:0, cuda:1, …")
        return device


SLOW_BF16 = 2.0
"""bf16 that takes more than this many times as long as fp32 is worth a warning."""

PopulationStatistics = Literal["ema", "precise", "batch"]


class EvaluateConfig(Part):
    """When the network is evaluated, and with which statistics of its norms."""

    population_statistics: tuple[PopulationStatistics, ...] = ("ema",)
    """`ema`: the running statistics; beside it `precise` (recomputed over training images) and
    `batch` (each batch its own). They add the tags `test_precise/…` and `test_batch/…`."""
    after: Literal["each_epoch", "last_epoch"] = "each_epoch"
    """When the network is evaluated on validation and test images. `last_epoch` leaves out all
    evaluations before the last: no curves, no best epoch and no time to a target, but the same
    final figures for less time."""
    every_steps: int | None = Field(default=None, ge=1)
    """Steps from one evaluation to the next, counted from the start of the training, besides the
    evaluation after each epoch: for curves, and for the time to a target. Final and best figures
    are still those of whole epochs. Each evaluation costs as much as one after an epoch."""
    precise_images: int = Field(default=10_000, ge=2)
    """Training images that `precise` pools over, in whole batches; all if there are fewer."""
    mistakes: int = Field(default=24, ge=0, le=1000)
    """Test images that are kept in the run's `predictions.npz`, and shown in the HTML page and
    TensorBoard: of those that are taken for another class, the ones of which the network is
    surest. 0 keeps no image. It does not count for whether two runs are the same."""

    @field_validator("population_statistics")
    @classmethod
    def _require_ema(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if "ema" not in kinds:
            raise ValueError("must include ema, which test/accuracy uses; add the others to it")
        if len(set(kinds)) < len(kinds):
            raise ValueError("the same statistics are listed twice")
        return kinds

    @model_validator(mode="after")
    def _check_together(self) -> EvaluateConfig:
        if self.every_steps is not None and self.after == "last_epoch":
            raise ValueError(
                "after: last_epoch leaves no evaluations for every_steps; remove one of them"
            )
        return self

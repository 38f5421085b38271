"""Runs as Python sees them: what each was to do, and what it measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnexp.errors import BnexpError, UsageError
from bnexp.models.file.trust import trusting_files
from bnexp.runs.measured.diagnostics import read_metrics
from bnexp.runs.reading import read_experiments
from bnexp.runs.record import RunRecord, Scalar, Summary, unflatten
from bnexp.runs.run_dir import RunDir
from bnexp.wording import count

if TYPE_CHECKING:
    from bnexp.runs.measured.predictions import Predictions
    from bnexp.trained.network import TrainedNetwork


@dataclass(frozen=True, repr=False)
class Run:
    """One run of an experiment, finished or not."""

    record: RunRecord
    """What was read from its folder."""

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.record.path

    @property
    def experiment(self) -> str:
        """The name of the experiment."""
        return self.record.experiment

    @property
    def cell(self) -> str:
        """The name of the cell, e.g. `norm=batch`."""
        return self.record.cell

    @property
    def seed(self) -> int:
        """The seed."""
        return self.record.seed

    @property
    def state(self) -> str:
        """`finished`, `diverged`, `failed`, `interrupted`, `running` or `pending`."""
        return self.record.state

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """The swept keys with the values of this cell."""
        return self.record.settings

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, nested as in YAML."""
        tree: dict[str, Any] = unflatten(self.record.config)
        return tree

    @property
    def summary(self) -> Summary | None:
        """What it measured; None unless it has finished or diverged."""
        return self.record.summary

    @property
    def history(self) -> Mapping[str, tuple[float, ...]]:
        """One value per epoch, by tag; empty unless it has finished or diverged."""
        return self.record.summary.history if self.record.summary else {}

    @property
    def final(self) -> Mapping[str, float]:
        """The figures after the last epoch, by tag; empty if it diverged or has not ended."""
        return self.record.summary.final if self.record.summary else {}

    def metrics(self) -> list[dict[str, float | None]]:
        """Returns every row that it recorded: step, epoch, elapsed_seconds and scalars by tag.

        A value that was not finite is None.

        Raises:
            BnexpError: The rows are damaged, or not those that the run wrote.
        """
        return [*_parse_rows(RunDir(self.path).metrics, read_metrics(self.record))]

    def predictions(self) -> Predictions | None:
        """Returns what its last evaluation said of each test picture.

        None if it diverged or has not ended, or if an earlier version of bnexp trained it.

        Raises:
            BnexpError: The file cannot be read, or is not what the run wrote.
        """
        from bnexp.runs.measured.predictions import read_predictions

        return read_predictions(self.record)

    def load_model(self, *, trust: bool = False) -> TrainedNetwork:
        """Returns its network with its preprocessing, in evaluation mode; imports PyTorch.

        Args:
            trust: Whether to run the Python file of a network that comes from one.

        Raises:
            UsageError, BnexpError: It has no checkpoint, or a damaged one, or the network is a
                file that is not trusted.
        """
        from bnexp.trained.network import load_network

        with trusting_files(trust):
            return load_network(self.record)

    def __repr__(self) -> str:
        return f"<Run {self.experiment}/{self.cell}/seed={self.seed}, {self.state}>"


def load_runs(*names: str, runs_dir: str | Path = "runs") -> list[Run]:
    """Returns the runs of experiments, by name or by folder; without a name, of the newest.

    They come in the order of their cells, seeds rising.

    Raises:
        UsageError: There are no such runs.
    """
    return [Run(record) for record in read_experiments(names, Path(runs_dir))]


def load_model(
    run: Run | str, runs_dir: str | Path = "runs", *, trust: bool = False
) -> TrainedNetwork:
    """Returns the network of a run, given itself or by name: `quickstart/norm=batch/seed=0`.

    Args:
        run: A run, or its name.
        runs_dir: Where runs are kept.
        trust: Whether to run the Python file of a network that comes from one.

    Raises:
        UsageError, BnexpError: There is no such run, there are several, or it has no sound
            checkpoint, or its network is a file that is not trusted.
    """
    found = run if isinstance(run, Run) else find_run(run, runs_dir)
    return found.load_model(trust=trust)


def find_run(name: str, runs_dir: str | Path = "runs") -> Run:
    """Returns the one run of that name.

    Raises:
        UsageError: There is none, or there are several.
    """
    found = load_runs(name, runs_dir=runs_dir)
    if len(found) > 1:
        first = found[0]
        one = f"{first.experiment}/{first.cell}/seed={first.seed}"
        raise UsageError(
            f"'{name}' is {count(len(found), 'run')}; name one, e.g. '{one}' "
            f"(bnexp ls {first.experiment} lists them)"
        )
    return found[0]


def _parse_rows(path: Path, content: bytes) -> Iterator[dict[str, float | None]]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BnexpError(f"{path}: line {number} cannot be read") from error
        if not isinstance(row, dict):
            raise BnexpError(f"{path}: line {number} is no row of metrics")
        yield row

"""Measures how long a checkpoint takes to save, and how large it is.

python scripts/measure_checkpoints.py [FOLDER]     FOLDER is on the disk to measure
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from bnexp.config.load import load_experiment
from bnexp.config.train import TrainConfig, read_interval
from bnexp.runs import CheckpointFiles
from bnexp.training.saving.checkpoint import write_tensors
from bnexp.training.saving.progress import CheckpointMetadata, Progress
from bnexp.training.setup import TrainingParts, build_parts

CONFIGS = Path(__file__).parents[1] / "configs" / "cifar10"
SAVES = 40
DATA = "data={name: shapes, train_size: 1000, val_size: 0, batch_size: 128}"


def measure(parts: TrainingParts, folder: Path) -> tuple[list[float], int]:
    """Returns the seconds that each save took and its size in bytes, for 200 epochs of ten tags."""
    history = {f"tag/{tag}": [(epoch + 1) / 7 for epoch in range(200)] for tag in range(10)}
    progress = Progress(epoch=200, history=history)
    metadata = CheckpointMetadata(fingerprint="f" * 64, conditions={}, progress=progress)
    files = CheckpointFiles(folder)
    seconds, size = [], 0
    for _ in range(SAVES):
        started = time.perf_counter()
        tensors = write_tensors(parts.learner.model, parts.learner.optimizer)
        files.save(tensors, metadata.to_bytes())
        seconds.append(time.perf_counter() - started)
        size = len(tensors)
    return seconds, size


def main() -> None:
    """Prints one line per network."""
    torch.set_num_threads(1)
    interval = read_interval(TrainConfig().checkpoint_every).seconds
    assert interval is not None
    for name in ("tutorial-cnn", "resnet20"):
        config = load_experiment(CONFIGS / f"{name}.yaml", [DATA]).runs[0].config
        parts = build_parts(config, config.data.load(print), torch.device("cpu"))
        # The optimiser has no state before its first step.
        parts.learner.step(1, next(parts.batches.epoch(0)))
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as folder:
            seconds, size = measure(parts, Path(folder))
        low, median, high = statistics.quantiles(seconds, n=4)
        print(
            f"{name}: {size:,} bytes; {SAVES} saves: median {median * 1e3:.1f} ms, quartiles "
            f"{low * 1e3:.1f} and {high * 1e3:.1f} ms, {median / interval:.3%} of {interval:g} s"
        )


if __name__ == "__main__":
    main()

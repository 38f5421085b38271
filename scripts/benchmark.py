"""Speed of bnexp next to what people use, interleaved in one run; prints medians and ratios.

    python scripts/benchmark.py [--rounds 3] [--images 10000] [--epochs 3] [--json FILE]
    python scripts/benchmark.py compare [--rounds 3] [--runs 100] [--rows 10000] [--json FILE]
    python scripts/benchmark.py many [--rounds 3] [--json FILE]
    python scripts/benchmark.py diagnostics [--rounds 20] [--images 10000] [--json FILE]

benchmark_compare.py describes `compare` and `many`, benchmark_diagnostics.py `diagnostics`. In the
first, all sides but the floor do the same work: the tutorial CNN (conv 16 – BN – ReLU – pool – conv
32 – BN – ReLU – pool – linear), random crops and mirroring, SGD with Nesterov momentum, cosine
schedule, evaluation on the test images after each epoch, and TensorBoard logging.

- usual fp32: torchvision's CIFAR10 class (its arrays replaced by the pictures used here), PIL
  transforms, a DataLoader with 2 workers, `.item()` and a logged loss at every step.
- bnexp fp32, bf16: the real thing, from a YAML file to a run folder, its own files included.
- floor: forward, backward and update alone, on one batch that never changes.

Absolute figures vary from machine to machine and from hour to hour; quote the ratios.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from benchmark_compare import benchmark_compare, benchmark_many
from benchmark_diagnostics import benchmark_diagnostics
from PIL import Image
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from torchvision import transforms
from torchvision.datasets import CIFAR10

from bnexp.config.load import RunSpec, load_experiment
from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.plan import plan_runs
from bnexp.launch.screen.display import LineDisplay
from bnexp.launch.screen.progress import RunSize, SweepProgress
from bnexp.launch.stop import StopSignal
from bnexp.runs import read_run
from bnexp.training.setup import build_parts
from bnexp.training.step import train_step

BATCH_SIZE = 128
THREADS = torch.get_num_threads()
"""PyTorch's own choice, read before anything changes it."""
Transform = Callable[[Image.Image], torch.Tensor]
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

CONFIG = """\
name: benchmark
data:
  name: shapes
  train_size: {images}
  val_size: 0
  batch_size: 128
  augment: [random_crop, horizontal_flip]
model:
  name: cnn
  layers: [{{conv: 16}}, {{pool: max}}, {{conv: 32}}, {{pool: max}}]
  head: flatten
  norm: batch
optim: {{name: sgd, learning_rate: 0.05, schedule: {{name: cosine, warmup_epochs: 0}}}}
train: {{epochs: {epochs}, device: cpu, precision: {precision}}}
"""


class ArrayCIFAR10(CIFAR10):
    """torchvision's dataset over given arrays, its `__getitem__` unchanged."""

    def __init__(self, images: LabelledImages, transform: Transform) -> None:
        self.data = images.images
        self.targets = images.labels.tolist()
        self.transform = transform
        self.target_transform = None


def build_usual_model() -> nn.Module:
    """Returns the tutorial CNN as people write it by hand."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 10),
    )


def train_usually(dataset: Dataset, epochs: int, folder: Path) -> None:
    """Trains with the loop of most tutorials."""
    normalize = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    train_set = ArrayCIFAR10(dataset.train, transforms.Compose([*augment, *normalize]))
    test_set = ArrayCIFAR10(dataset.test, transforms.Compose(normalize))
    train_loader = DataLoader(train_set, batch_size=BATCH_SIZE, shuffle=True, num_workers=2)
    test_loader = DataLoader(test_set, batch_size=500, num_workers=2)
    model = build_usual_model()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train_loader))
    criterion = nn.CrossEntropyLoss()
    writer = SummaryWriter(str(folder))
    step = 0
    for _ in range(epochs):
        model.train()
        hits = 0
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            logits = model(inputs)
            loss = criterion(logits, targets)
            loss.backward()
            optimizer.step()
            schedule.step()
            writer.add_scalar("train/loss", loss.item(), step)
            hits += (logits.argmax(1) == targets).sum().item()
            step += 1
        model.eval()
        correct = 0
        with torch.no_grad():
            for inputs, targets in test_loader:
                correct += (model(inputs).argmax(1) == targets).sum().item()
        writer.add_scalar("train/accuracy", hits / len(train_set), step)
        writer.add_scalar("test/accuracy", correct / len(test_set), step)
    writer.close()


def load_runs(folder: Path, images: int, epochs: int, precision: str) -> tuple[Path, RunSpec]:
    """Writes the YAML file of one side and reads it back."""
    path = folder / f"{precision}.yaml"
    path.write_text(
        CONFIG.format(images=images, epochs=epochs, precision=precision), encoding="utf-8"
    )
    return path, load_experiment(path).runs[0]


def train_with_bnexp(config: Path, folder: Path) -> Path:
    """Trains one run from scratch through the launcher, and returns its folder with all its files.

    Exits if the run did not train all of its steps.
    """
    shutil.rmtree(folder / "benchmark", ignore_errors=True)
    planned = plan_runs(load_experiment(config), folder, is_forced=True)
    quiet = Console(file=(folder / "console.txt").open("w", encoding="utf-8"))
    config = planned[0].spec.config
    size = RunSize("", 0, config.train.epochs, 0, config.data.batch_size)
    with StopSignal() as stop:
        show = LineDisplay(quiet, SweepProgress([size])).show
        LocalLauncher().train(Ledger(planned, show, stop.is_set), stop)
    record = read_run(planned[0].folder.path)
    images = config.train.epochs * config.data.train_size
    steps = config.train.epochs * -(-config.data.train_size // BATCH_SIZE)
    if record.state != "finished" or record.summary.steps != steps:
        sys.exit(
            f"the benchmark's run did not train {images:,} images; see {planned[0].folder.log}"
        )
    return record.path


def train_floor(spec: RunSpec, dataset: Dataset, steps: int) -> None:
    """Repeats the step on one batch: no data, no metrics, no files."""
    parts = build_parts(spec.config, dataset, torch.device("cpu"))
    model, optimizer = parts.learner.model, parts.learner.optimizer
    batch = next(parts.batches.epoch(0))
    for _ in range(steps):
        train_step(model, optimizer, batch, spec.config.train.precision)


def reset_torch() -> None:
    """Undoes what bnexp sets for repeatable runs, so that it slows no other side."""
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = False
    torch.set_num_threads(THREADS)


def measure(
    sides: dict[str, Callable[[], object]], rounds: int, images: int
) -> dict[str, list[float]]:
    """Returns each side's training images per second in each round; the sides take turns."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            reset_torch()
            started = time.perf_counter()
            work()
            seconds = time.perf_counter() - started
            if number:  # the first round warms the caches and does not count
                found[name].append(images / seconds)
                print(f"round {number}  {name:<12} {images / seconds:8,.0f} images/s", flush=True)
    return found


def find_impossible(found: dict[str, list[float]]) -> list[str]:
    """Returns the sides that beat the floor of their precision in every round.

    No side can: each does all that the floor does, and more.
    """
    floors = {"bf16": found["floor bf16"], "fp32": found["floor fp32"]}
    return [
        side
        for side, speeds in found.items()
        if not side.startswith("floor")
        and all(
            speed > floor for speed, floor in zip(speeds, floors[side.split()[-1]], strict=True)
        )
    ]


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="?", choices=("train", "compare", "many", "diagnostics"), default="train"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    if options.what == "compare":
        found = benchmark_compare(options.runs, options.rows, options.rounds)
    elif options.what == "many":
        found = benchmark_many(options.rounds)
    elif options.what == "diagnostics":
        with tempfile.TemporaryDirectory() as name:
            config, _ = load_runs(Path(name), options.images, epochs=1, precision="fp32")
            found = benchmark_diagnostics(config, Path(name), options.rounds, train_with_bnexp)
    else:
        found = benchmark_training(options.images, options.epochs, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def benchmark_training(images: int, epochs: int, rounds: int) -> dict[str, list[float]]:
    """Returns each side's images per second in each round, and prints medians and ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs = {
            precision: load_runs(folder, images, epochs, precision)
            for precision in ("fp32", "bf16")
        }
        full = configs["fp32"][1].config.data.load(print)
        part = LabelledImages(full.train.images[:images], full.train.labels[:images])
        dataset = Dataset(full.name, part, full.test, full.class_names)
        steps = epochs * -(-images // BATCH_SIZE)
        sides: dict[str, Callable[[], object]] = {
            "usual fp32": lambda: train_usually(dataset, epochs, folder / "usual"),
            "bnexp fp32": lambda: train_with_bnexp(configs["fp32"][0], folder),
            "bnexp bf16": lambda: train_with_bnexp(configs["bf16"][0], folder),
            "floor fp32": lambda: train_floor(configs["fp32"][1], full, steps),
            "floor bf16": lambda: train_floor(configs["bf16"][1], full, steps),
        }
        found = measure(sides, rounds, images * epochs)

    print(f"\n{torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'side':<12} {'images/s':>10} {'ratio to usual, by round':>28}")
    for side, values in found.items():
        ratios = [value / base for value, base in zip(values, found["usual fp32"], strict=True)]
        shown = "  ".join(f"{ratio:.2f}" for ratio in ratios)
        median = statistics.median(ratios)
        print(f"{side:<12} {statistics.median(values):>10,.0f}   median {median:.2f}   ({shown})")
    if impossible := find_impossible(found):
        sys.exit(f"faster than the floor, which is impossible: {', '.join(impossible)}")
    return found


if __name__ == "__main__":
    main()

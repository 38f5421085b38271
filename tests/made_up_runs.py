"""Makes run folders as training leaves them, thousands in seconds, with figures made up.

python tests/made_up_runs.py FOLDER [CELLS [SEEDS [EPOCHS]]]    makes FOLDER/many
"""

import itertools
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bnexp.config.load import load_experiment
from bnexp.files import digest
from bnexp.launch.resolved_config import resolved_config
from bnexp.runs import RunDir, Summary
from bnexp.runs.measured.predictions import Predictions
from bnexp.runs.record import unflatten
from bnexp.runs.seal import write_seal
from bnexp.runs.streams.tensorboard_events import encode_event_file, scalars_event

CONFIG = """\
name: many
data: {{name: cifar10}}
model:
  name: cnn
  layers: [{{conv: 32}}, {{conv: 32}}, {{pool: max}}, {{conv: 64}}, {{conv: 64}}, {{pool: max}}]
optim: {{name: sgd}}
train: {{epochs: {epochs}}}
sweep:
  seeds: {seeds}
  max_runs: 100000
  grid:
    model.norm.name: [none, batch]
    optim.learning_rate: [{rates}]
"""
ENVIRONMENT = {
    "created": "2025-01-01T00:00:00.000+00:00",
    "command": ["bnexp", "train", "many.yaml"],
    "versions": dict.fromkeys(("bnexp", "python", "torch", "numpy", "scipy"), "1.0"),
    "platform": "Linux",
    "processor": "some",
    "cpu_count": 2,
    "git": {"commit": "0" * 40, "dirty": False},
    "device": {"type": "cpu", "name": "x86_64"},
    "threads": 1,
    "dataset": {"name": "cifar10", "fingerprint": "1" * 64, "train_images": 50000},
}
TAGS = [f"{part}/{kind}" for part in ("train", "val", "test") for kind in ("loss", "accuracy")]


def make_runs(runs_dir, cells=2, seeds=3, epochs=10):
    """Makes the finished runs of an experiment called `many`, and returns its folder.

    The cells are `none` and `batch` by turns, each at half as many learning rates; the final
    test accuracy is `final_accuracy(cell's index, seed)`.
    """
    rates = ", ".join(f"{(index + 1) / 1000:g}" for index in range(cells // 2))
    runs_dir.mkdir(parents=True, exist_ok=True)
    config = runs_dir / "many.yaml"
    config.write_text(CONFIG.format(seeds=seeds, epochs=epochs, rates=rates))
    experiment = load_experiment(config)
    order = {cell: index for index, cell in enumerate(experiment.cells)}
    for spec in experiment.runs:
        index = order[spec.cell]
        folder = RunDir.of(runs_dir, {**spec.identity, "fingerprint": "f" * 64})
        folder.path.mkdir(parents=True)
        summary = make_summary(epochs, final_accuracy(index, spec.seed))
        status = {**folder.identity, "state": "finished", "heartbeat": time.time(), "pid": 1}
        write(folder.status, {**status, "host": "elsewhere"})
        write(folder.environment, {**ENVIRONMENT, "config": resolved_config(spec)})
        write(folder.summary, {key: value for key, value in asdict(summary).items() if value})
        folder.config.write_text("# made up\n")
        seal(folder.path)
    return runs_dir / "many"


def make_cells(folder, axes, seeds=1, scalars=None):
    """Makes finished runs of each combination of settings, with TensorBoard's events.

    `scalars` are shown by TensorBoard besides accuracies and losses.
    """
    for index, values in enumerate(itertools.product(*axes.values())):
        settings = dict(zip(axes, values, strict=True))
        cell = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in settings.items())
        for seed in range(seeds):
            make_run(folder / cell / f"seed={seed}", settings, index, scalars=scalars or {})


def make_run(path, settings, index=0, state="finished", scalars=None):
    """Makes one run, finished or still at work, with TensorBoard's events."""
    path.mkdir(parents=True)
    summary = make_summary(2, final_accuracy(index, 0))
    identity = {
        "experiment": path.parent.parent.name,
        "cell": path.parent.name,
        "seed": int(path.name[5:]),
    }
    identity |= {"settings": settings, "cell_index": index, "fingerprint": "f" * 64}
    write(path / "status.json", {**identity, "state": state, "heartbeat": time.time(), "pid": 1})
    config = unflatten({"name": identity["experiment"], **settings})
    write(path / "environment.json", {**ENVIRONMENT, "config": config})
    if state == "finished":
        write(
            path / "summary.json", {key: value for key, value in asdict(summary).items() if value}
        )
        seal(path)
    events = [scalars_event(100, time.time(), {**summary.final, **(scalars or {})})]
    (path / "events.out.tfevents.1.made-up").write_bytes(encode_event_file(events, time.time()))


def final_accuracy(cell, seed):
    return 0.5 + cell / 1000 + random.Random(f"{cell} {seed}").random() / 10


def make_summary(epochs, accuracy):
    history = {
        tag: tuple(accuracy * (epoch + 1) / epochs for epoch in range(epochs)) for tag in TAGS
    }
    return Summary(
        status="finished",
        epochs=epochs,
        steps=100 * epochs,
        elapsed_seconds=10.0 * epochs,
        images_per_second=1000.0,
        peak_memory_bytes=10**6,
        parameters=1000,
        final={tag: values[-1] for tag, values in history.items()},
        best={"epoch": 1},
        history=history,
    )


def add_rows(path, rows):
    """Gives a run that has ended these rows of metrics: dicts of tags by step and epoch."""
    lines = [
        json.dumps({"step": step, "epoch": epoch, "elapsed_seconds": 1.0, **scalars})
        for (step, epoch), scalars in rows.items()
    ]
    (path / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    seal(path)


def make_predictions(seed=0, names=("cat", "dog", "frog"), number=60, mistakes=4, side=8):
    """Returns what a network might say of pictures in random colours; right three times in four."""
    drawn = np.random.default_rng(seed)
    labels = drawn.integers(len(names), size=number)
    taken = np.where(drawn.random(number) < 0.75, labels, (labels + 1) % len(names))
    scores = drawn.random((number, len(names))) + 2 * np.eye(len(names))[taken]
    shares = scores / scores.sum(1, keepdims=True)
    classes = np.argsort(-shares, axis=1)
    wrong = np.flatnonzero(taken != labels)
    surest = wrong[np.argsort(-shares[wrong].max(1))][:mistakes]
    return Predictions(
        names,
        labels,
        classes,
        np.take_along_axis(shares, classes, 1).astype(np.float16),
        surest,
        drawn.integers(256, size=(len(surest), side, side, 3)).astype(np.uint8),
    )


def add_predictions(path, predictions):
    """Gives a run that has ended these predictions and their accuracy, and seals it again."""
    (path / "predictions.npz").write_bytes(predictions.encode())
    summary = json.loads((path / "summary.json").read_text())
    accuracy = predictions.confusion.accuracy
    summary["final"]["test/accuracy"] = summary["history"]["test/accuracy"][-1] = accuracy
    write(path / "summary.json", summary)
    seal(path)


def seal(path):
    """Seals a run's files as they are, whoever changed them."""
    status = json.loads((path / "status.json").read_text())
    keys = ("experiment", "cell", "seed", "settings", "cell_index", "fingerprint")
    identity = {key: status[key] for key in keys if key in status}
    write_seal(path, identity, {"summary.json": digest((path / "summary.json").read_bytes())})


def write(path, content):
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    print(make_runs(Path(sys.argv[1]), *map(int, sys.argv[2:])))  # noqa: T201

"""What a run leaves, but for what is measured by the clock, so that runs can be compared."""

import json

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def read_results(run):
    """Returns weights, optimiser state and progress as bytes and numbers, rows and summary."""
    content = torch.load(run / "checkpoint.pt", weights_only=True)
    predictions = run / "predictions.npz"  # not of a run that diverged
    return {
        "model": {name: value.numpy().tobytes() for name, value in content["model"].items()},
        "optimizer": {
            (number, name): value.numpy().tobytes()
            for number, slot in content["optimizer"].items()
            for name, value in slot.items()
        },
        "progress": drop_times(json.loads((run / "checkpoint.json").read_text())["progress"]),
        "rows": [drop_times(row) for row in read_rows(run)],
        "predictions": predictions.read_bytes() if predictions.exists() else None,
        "summary": drop_times(json.loads((run / "summary.json").read_text())),
    }


def read_rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def drop_times(tree):
    if not isinstance(tree, dict):
        return tree
    return {
        key: drop_times(value)
        for key, value in tree.items()
        if not key.endswith("_seconds")
        and "images_per_second" not in key
        and key != "peak_memory_bytes"
    }


def read_points(run):
    """Returns what TensorBoard would show: the steps of each tag."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def read_steps(run):
    """Returns the same from the rows of metrics."""
    rows = read_rows(run)
    tags = dict.fromkeys(tag for row in rows for tag in row if "/" in tag)
    return {tag: [row["step"] for row in rows if tag in row] for tag in tags}

"""What `bnexp show` says about a run: its state, config and figures, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bnexp.analysis.differences.tuning import read_tuning
from bnexp.analysis.metrics import is_accuracy
from bnexp.cli.output import command_on, echo, print_json, write
from bnexp.cli.runs.run_states import describe_run, describe_state, seconds_since_active
from bnexp.console import accept_any_text
from bnexp.errors import BnexpError
from bnexp.reports.words.commands import train_command
from bnexp.runs import ENDED, RunDir, RunRecord, Scalar, Summary
from bnexp.runs.inspection import find_damaged_checkpoints
from bnexp.runs.measured.confusion import Confusion
from bnexp.runs.reading import read_status
from bnexp.wording import (
    command_to_paste,
    count,
    format_age,
    format_bytes,
    format_duration,
    format_percent,
    format_speed,
    write_value,
)

MAIN_KEYS = (
    "data.name",
    "data.train_size",
    "data.batch_size",
    "model.name",
    "model.path",
    "model.class",
    "model.depth",
    "model.norm.name",
    "model.placement",
    "optim.name",
    "optim.learning_rate",
    "optim.weight_decay",
    "train.epochs",
    "train.seed",
    "train.device",
    "train.precision",
)
"""The keys that say most about a config, if it has them."""
EXTRAS: Mapping[str, Scalar] = {
    "data.classes_per_batch": None,
    "model.repeat": 1,
    "train.trainable": "all",
    "train.train_output_layer": False,
    "evaluate.after": "each_epoch",
    "evaluate.every_steps": None,
    "optim.clip_norm": None,
    "optim.adaptive_clip": None,
    "optim.learning_rate_factor": 1.0,
}
"""Keys that say something only if they differ from these defaults."""

_PASTED = ("folder", "next")

_MOST_LISTED = 12
"""Classes that are listed."""

_INDENT = 11
"""Characters before each line, the title of its section among them."""


def show_run(record: RunRecord, runs_dir: Path, is_json: bool) -> None:
    """Prints a run, as text or as JSON."""
    accept_any_text()
    if is_json:
        print_json(_describe(record))
        return
    echo(f"{record.experiment}, {record.cell}, seed {record.seed}")
    for title, lines in _sections(record, runs_dir):
        for index, line in enumerate(lines):
            text = f"{'' if index else title:<{_INDENT}}{line}".rstrip()
            # What is to be pasted stays one line.
            if title in _PASTED:
                write(f"{text}\n")
            else:
                echo(text, _INDENT)


def _sections(record: RunRecord, runs_dir: Path) -> Iterator[tuple[str, list[str]]]:
    yield "state", _state_lines(record)
    yield "folder", [str(record.path)]
    yield "swept", [f"{key} = {write_value(value)}" for key, value in record.settings.items()]
    config = record.config
    extras = [key for key, default in EXTRAS.items() if config.get(key, default) != default]
    yield "tuned", _tuned_lines(record)
    keys = [key for key in MAIN_KEYS if key in config and key not in record.settings]
    keys += [key for key in extras if key not in record.settings]
    yield "config", [f"{key} = {write_value(config[key])}" for key in keys]
    yield "measured", _measured_lines(record)
    confusion, problems = _find_confusion(record)
    yield "classes", _class_lines(confusion)
    damaged = find_damaged_checkpoints(RunDir(record.path))
    yield "problems", [*record.all_problems, *damaged, *problems]
    files = _list_files(record.path)
    yield "files", [f"{name}  {format_bytes(size)}" for name, size in files.items()]
    yield "next", _next_lines(record, runs_dir)


def _tuned_lines(record: RunRecord) -> list[str]:
    tuning = read_tuning(record)
    if tuning is None:
        return []
    return [
        f"{key} = {write_value(value)}, best of {', '.join(map(write_value, tuning.over[key]))} by "
        f"{tuning.by} with seeds {' '.join(map(str, tuning.seeds))}"
        + f" in {tuning.place}" * tuning.shares
        + ", at the edge" * (key in tuning.at_edge)
        for key, value in tuning.chosen.items()
    ]


def _state_lines(record: RunRecord) -> list[str]:
    age = seconds_since_active(record)
    state = describe_state(record)
    if record.state != "running" and age is not None:
        state += f", {format_age(age)}"
    lines = [state, *_progress(record)]
    if source := record.environment.get("extends.run"):
        epochs = record.environment.get("extends.epochs")
        lines.append(f"went on from epoch {epochs} of {source}")
    reason = find_reason(record)
    return [*lines, *(reason.splitlines() if reason else ())]


def find_reason(record: RunRecord) -> str | None:
    """Returns why a run failed or diverged, if it says so."""
    if record.summary is not None:
        return record.summary.reason
    reason = read_status(record.path).get("reason")
    return reason if isinstance(reason, str) else None


def _progress(record: RunRecord) -> list[str]:
    status = {} if record.state in ENDED else read_status(record.path)
    step, total = status.get("step"), status.get("total_steps")
    if not isinstance(step, int):
        return []
    return [f"step {step:,} of {total:,}" if isinstance(total, int) else f"step {step:,}"]


def _measured_lines(record: RunRecord) -> list[str]:
    summary = record.summary
    if summary is None:
        return []
    speed = format_speed(summary.images_per_second)
    peak = summary.peak_memory_bytes
    memory = f"peak memory {format_bytes(peak) if peak else 'unknown'}"
    if summary.training_memory_bytes is not None:
        memory = f"memory {format_bytes(summary.training_memory_bytes)} ({memory})"
    return [
        f"{count(summary.epochs, 'epoch')}, {count(summary.steps, 'step')} in "
        f"{format_duration(summary.elapsed_seconds)}, {speed} images/s, "
        f"{memory}, {_count_parameters(summary)}",
        *(f"{tag} = {_write_figure(tag, value)}" for tag, value in summary.final.items()),
    ]


def _class_lines(confusion: Confusion | None) -> list[str]:
    """Returns how well the classes were recognised on the test images, the worst first."""
    if confusion is None:
        return []
    known = [(one.accuracy, one.name) for one in confusion.classes if one.accuracy is not None]
    scores = [f"{name} {format_percent(accuracy)}" for accuracy, name in sorted(known)]
    more = [f"{len(scores) - _MOST_LISTED} more"] if len(scores) > _MOST_LISTED else []
    return [
        f"balanced test accuracy {format_percent(confusion.balanced_accuracy)}; the worst first:",
        ", ".join([*scores[:_MOST_LISTED], *more]),
    ]


def _find_confusion(record: RunRecord) -> tuple[Confusion | None, list[str]]:
    """Returns which class was taken for which, or None; and what is wrong with the file."""
    from bnexp.runs.measured.predictions import read_predictions

    try:
        predictions = read_predictions(record)
    except BnexpError as error:
        return None, [str(error)]
    return predictions.confusion if predictions else None, []


def _count_parameters(summary: Summary) -> str:
    total, trained = summary.parameters, summary.trained_parameters
    of_them = "" if trained in (None, total) else f", {trained:,} of them trained"
    return f"{total:,} parameters{of_them}"


def _write_figure(tag: str, value: float) -> str:
    return format_percent(value) if is_accuracy(tag) else f"{value:.6g}"


def _list_files(folder: Path) -> dict[str, int]:
    """Returns the files' sizes in bytes by name."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}


def _next_lines(record: RunRecord, runs_dir: Path) -> list[str]:
    folder = RunDir(record.path)
    lines = []
    if record.state in ENDED:
        lines += [command_on(record.experiment, name, runs_dir) for name in ("compare", "tb")]
    elif record.state != "running" or record.is_silent:
        command = train_command(record.environment)
        lines += [command] if command else []
    if folder.config.exists():
        command = command_to_paste(["bnexp", "show", str(folder.config)])
        lines.append(command)
    if folder.log.exists():
        lines.append(command_to_paste(["less", str(folder.log)]))
    return lines


def _describe(record: RunRecord) -> dict[str, object]:
    summary = record.summary
    confusion, problems = _find_confusion(record)
    return {
        **describe_run(record),
        "problems": [*record.all_problems, *problems],
        "balanced_accuracy": confusion.balanced_accuracy if confusion else None,
        "class_accuracies": {
            one.name: one.accuracy for one in (confusion.classes if confusion else ())
        },
        "experiment": record.experiment,
        "seconds_since_sign_of_life": seconds_since_active(record),
        "reason": find_reason(record),
        "config": dict(record.config),
        "best": dict(summary.best) if summary else {},
        "epochs": summary.epochs if summary else None,
        "elapsed_seconds": summary.elapsed_seconds if summary else None,
        "files": _list_files(record.path),
        "command": train_command(record.environment),
    }

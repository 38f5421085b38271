"""`bnexp evaluate` and `bnexp predict`: what a trained network says."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import RenderableType

from bnexp.cli.names import complete_experiment
from bnexp.cli.options import JsonOption, RunsDirOption, TrustOption
from bnexp.cli.output import echo, print_json, print_table, say, table_width
from bnexp.console import FoldedName
from bnexp.errors import UsageError, did_you_mean
from bnexp.wording import LOADING, count, format_percent

if TYPE_CHECKING:
    from bnexp.config.train import PopulationStatistics
    from bnexp.runs.measured.confusion import Confusion
    from bnexp.trained.evaluation import Evaluation

MOST_CONFUSIONS = 5
MOST_CLASSES = 12
"""Classes up to which all confusions are printed, as a matrix."""
MOST_MISTAKES = 20
_STATISTICS = {"ema": "running", "precise": "precise", "batch": "batch"}

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: NAME/CELL/seed=N, a folder, or NAME if it has only one run.",
        autocompletion=complete_experiment,
    ),
]


def evaluate(
    run: RunArgument,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Pictures to evaluate on, FOLDER/CLASS/*.jpg or .png; if it holds test/, those in "
            "FOLDER/test/CLASS. [default: the run's own test images]",
        ),
    ] = None,
    statistics: Annotated[
        list[str] | None,
        typer.Option(
            "--population-statistics",
            metavar="ema|precise|batch",
            help="What batch norm is evaluated with: its running averages, statistics of training "
            "images under the final weights, or each test batch's own; repeatable. [default: ema]",
        ),
    ] = None,
    runs_dir: RunsDirOption = Path("runs"),
    is_trusted: TrustOption = False,
    is_json: JsonOption = False,
) -> None:
    """Evaluate a trained network on its test images, or on pictures of your own.

    Example: `bnexp evaluate quickstart/norm=batch/seed=0`
    """
    from bnexp.api.runs import find_run

    kinds = _read_kinds(statistics or ["ema"])
    record = find_run(run, runs_dir).record
    say(LOADING)
    from bnexp.models.file.trust import trusting_files
    from bnexp.trained.evaluation import evaluate_run

    with trusting_files(is_trusted):
        found = evaluate_run(record, data, kinds, say)
    if is_json:
        print_json([_describe(one) for one in found])
        return
    for place, one in enumerate(found):
        if place:
            echo("")
        _print(one)


def predict(
    run: RunArgument,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="JPEG or PNG files.", exists=False)
    ],
    top: Annotated[
        int, typer.Option("--top", min=1, metavar="N", help="How many classes to show per picture.")
    ] = 3,
    runs_dir: RunsDirOption = Path("runs"),
    is_trusted: TrustOption = False,
    is_json: JsonOption = False,
) -> None:
    """Say what is in pictures, by a trained network.

    Probabilities are the network's own and tend to be too sure.

    Example: `bnexp predict quickstart/norm=batch/seed=0 cat.jpg`
    """
    from bnexp.api.runs import find_run

    record = find_run(run, runs_dir).record
    _require_files(images)
    say(LOADING)
    import torch

    from bnexp.models.file.trust import trusting_files
    from bnexp.trained.evaluation import read_pictures
    from bnexp.trained.network import load_network

    with trusting_files(is_trusted):
        network = load_network(record)
        pixels = torch.from_numpy(read_pictures(images, network.frame, say)).permute(0, 3, 1, 2)
        shares, classes = network.predict(pixels).topk(min(top, len(network.class_names)))
    answers = [
        [(network.class_names[number], share) for number, share in zip(*row, strict=True)]
        for row in zip(classes.tolist(), shares.tolist(), strict=True)
    ]
    if is_json:
        print_json(
            [
                {"image": str(path), "classes": [{"name": n, "probability": p} for n, p in answer]}
                for path, answer in zip(images, answers, strict=True)
            ]
        )
        return
    rows: list[tuple[RenderableType, ...]] = [
        (FoldedName(str(path)), *(f"{name} {format_percent(share)}" for name, share in answer))
        for path, answer in zip(images, answers, strict=True)
    ]
    places = ["most likely", *(f"{place}." for place in range(2, len(answers[0]) + 1))]
    print_table(("picture", *places), rows)


def _require_files(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except FileNotFoundError as error:
            raise UsageError(f"{path} does not exist") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
        if is_folder:
            raise UsageError(f"{path} is a folder; name the pictures in it, e.g. {path}/*.jpg")


def _read_kinds(words: Sequence[str]) -> tuple[PopulationStatistics, ...]:
    from bnexp.config.train import PopulationStatistics

    known: tuple[PopulationStatistics, ...] = get_args(PopulationStatistics)
    for word in words:
        if word not in known:
            hint = did_you_mean(word, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"--population-statistics: '{word}' is none{hint}")
    return tuple(kind for kind in known if kind in words)


def _print(found: Evaluation) -> None:
    confusion = found.confusion
    title = (
        f"{format_percent(found.score.accuracy)} of {count(confusion.count, 'picture')} right, "
        f"loss {found.score.loss:.4f}; "
        f"balanced accuracy {format_percent(confusion.balanced_accuracy)}"
    )
    if found.statistics:
        title += f"; {_STATISTICS[found.statistics]} statistics"
    rows = [
        (FoldedName(one.name), f"{one.count:,}", "–" if one.accuracy is None else
         format_percent(one.accuracy))
        for one in confusion.classes
    ]  # fmt: skip
    print_table(("class", "pictures", "accuracy"), rows, ("pictures", "accuracy"), title)
    confusions = confusion.find_confusions()[:MOST_CONFUSIONS]
    if confusions:
        words = (f"{true} as {taken} ({number})" for number, true, taken in confusions)
        echo(f"most often mistaken: {', '.join(words)}")
    if len(confusion.class_names) <= MOST_CLASSES:
        _print_matrix(confusion)
    if found.mistakes:
        shown = found.mistakes[:MOST_MISTAKES]
        mistakes = count(len(found.mistakes), "mistake")
        is_whole = len(shown) == len(found.mistakes)
        most = f"the {len(shown)} most confident of {mistakes}"
        echo("")
        print_table(
            ("picture", "class", "taken for"),
            [
                (str(one.path), one.true, f"{one.taken} {format_percent(one.probability)}")
                for one in shown
            ],
            title=f"{mistakes}, the most confident first" if is_whole else most,
        )


def _print_matrix(confusion: Confusion) -> None:
    """Prints how many pictures of each class (row) were taken for which (column)."""
    rows, columns = confusion.class_names, confusion.class_names
    if max(map(len, rows)) + sum(len(name) + 1 for name in columns) > table_width():
        columns = tuple(str(place) for place in range(1, len(rows) + 1))
        rows = tuple(f"{place} {name}" for place, name in zip(columns, rows, strict=True))
    echo("")
    print_table(
        ("class", *columns),
        [
            (FoldedName(name), *(f"{number:,}" for number in counts))
            for name, counts in zip(rows, confusion.counts, strict=True)
        ],
        columns,
        "what each class (row) was taken for (column)",
    )


def _describe(found: Evaluation) -> dict[str, object]:
    return {
        "statistics": found.statistics,
        "pictures": found.confusion.count,
        "accuracy": found.score.accuracy,
        "loss": found.score.loss,
        "balanced_accuracy": found.confusion.balanced_accuracy,
        "classes": [
            {"name": one.name, "pictures": one.count, "accuracy": one.accuracy}
            for one in found.confusion.classes
        ],
        "confusion": found.confusion.counts,
        "mistakes": found.mistakes
        and [
            {
                "image": str(one.path),
                "class": one.true,
                "taken_for": one.taken,
                "probability": one.probability,
            }
            for one in found.mistakes
        ],
    }

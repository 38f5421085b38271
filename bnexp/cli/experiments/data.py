"""`bnexp data`: lists, fetches, imports and inspects datasets."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from bnexp.cli.command import Command, Group
from bnexp.cli.options import JsonOption
from bnexp.cli.output import echo, print_json, print_table, say, warn
from bnexp.console import FoldedName, accept_any_text
from bnexp.wording import count, format_bytes

if TYPE_CHECKING:
    from bnexp.data.inventory import DatasetEntry, DatasetSummary

NUMBERS = ("size", "training", "test", "validation", "classes")

data = typer.Typer(
    name="data",
    cls=Group,
    help="List, fetch, import and inspect datasets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

RootOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Data folder. [default: $BNEXP_DATA if set, else the user's cache folder]",
    ),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME|FOLDER", help="A dataset or an image folder.")
]


@data.callback()
def _data() -> None:
    accept_any_text()


@data.command("list", cls=Command)
def list_command(as_json: JsonOption = False) -> None:
    """List the datasets: what they contain, where they are, and whether they are there yet.

    Example: `bnexp data list`
    """
    from bnexp.data.inventory import list_datasets

    entries = list_datasets()
    if as_json:
        print_json([_entry_as_json(entry) for entry in entries])
        return
    headers = ("dataset", "here", "size", "training", "test", "classes", "where")
    print_table(headers, map(_entry_as_row, entries), numbers=NUMBERS)


@data.command("fetch", cls=Command)
def fetch_command(name: NameArgument = "cifar10", root: RootOption = None) -> None:
    """Download, verify and decode a dataset, unless it is already there.

    Example: `bnexp data fetch cifar10`
    """
    from bnexp.data.inventory import open_dataset

    dataset = open_dataset(name, root).load(say)
    echo(
        f"{dataset.name} is ready: {len(dataset.train):,} training and "
        f"{count(len(dataset.test), 'test image')}, {count(len(dataset.class_names), 'class')}"
    )


@data.command("import", cls=Command)
def import_command(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="The archive, or the folder that holds all files."),
    ],
    root: RootOption = None,
) -> None:
    """Import the published files of a dataset that you already have; SHA-256 is verified first.

    Example: `bnexp data import ~/Downloads/cifar-10-python.tar.gz`
    """
    from bnexp.data.dataset import data_home
    from bnexp.data.inventory import list_sources
    from bnexp.data.published.store import import_files

    name, place = import_files(path, list_sources(), data_home(root), say)
    echo(f"{name} is ready: imported to {place}")


@data.command("info", cls=Command)
def info_command(name: NameArgument, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Show a dataset's classes, image shape, channel statistics and fingerprint.

    Example: `bnexp data info my-pictures`
    """
    from bnexp.data.inventory import open_dataset, summarise

    dataset = open_dataset(name, root).load(say)
    summary = summarise(dataset)
    for warning in dataset.find_warnings():
        warn(warning)
    if as_json:
        print_json(_summary_as_json(summary))
        return
    _print_summary(summary)


def _entry_as_json(entry: DatasetEntry) -> dict[str, Any]:
    from bnexp.data.dataset import DatasetFacts

    content = asdict(entry)
    facts = content.pop("facts") or dict.fromkeys(field.name for field in fields(DatasetFacts))
    return {**content, **facts}


def _entry_as_row(entry: DatasetEntry) -> tuple[RenderableType, ...]:
    facts = entry.facts
    counts = (facts.train_count, facts.test_count, facts.num_classes) if facts else ()
    presence = {True: "yes", False: "no", None: ""}[entry.is_present]
    size = format_bytes(entry.size_bytes) if entry.size_bytes else ""
    shown = [f"{count:,}" for count in counts] or ["", "", ""]
    return (FoldedName(entry.name), presence, size, *shown, FoldedName(entry.location))


def _summary_as_json(summary: DatasetSummary) -> dict[str, Any]:
    return {
        **asdict(summary),
        "num_classes": len(summary.train_counts),
        "train_count": sum(summary.train_counts.values()),
        "test_count": sum(summary.test_counts.values()),
    }


def _print_summary(summary: DatasetSummary) -> None:
    height, width, channels = summary.image_shape
    echo(f"{summary.name}: {width}×{height} pixels, {count(channels, 'channel')}")
    echo(f"channel means  {_join(summary.channel_means)}  (pixels in [0, 1], training)")
    echo(f"channel stds   {_join(summary.channel_stds)}")
    echo(f"fingerprint    {summary.fingerprint}")
    counts = {"training": summary.train_counts, "test": summary.test_counts}
    if summary.val_counts:
        counts["validation"] = summary.val_counts
    rows = [
        (name, *(f"{by_class[name]:,}" for by_class in counts.values()))
        for name in summary.train_counts
    ]
    total = ("all", *(f"{sum(by_class.values()):,}" for by_class in counts.values()))
    print_table(("class", *counts), [*rows, total], numbers=NUMBERS)


def _join(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4f}" for value in values)

"""`bnexp ls`."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from bnexp.cli.names import complete_experiment
from bnexp.cli.options import JsonOption, RunsDirOption
from bnexp.cli.output import echo, print_json, print_table, say, warn
from bnexp.cli.runs.run_states import (
    count_states,
    describe_age,
    describe_run,
    name_state,
    tally_states,
)
from bnexp.console import FoldedName, accept_any_text
from bnexp.foreign_text import visible
from bnexp.wording import format_percent

if TYPE_CHECKING:
    from bnexp.runs import RunRecord

RUN_HEADERS = ("cell", "seed", "state", "epochs", "test\naccuracy", "last\nactive")
NUMBERS = ("cells", "runs", "seed", "epochs", "test\naccuracy")

MOST_ROWS_OF_A_TABLE = 500
"""Beyond this many runs, rows are printed without Rich, which takes seconds for thousands."""


def ls(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="An experiment. [default: all]",
            autocompletion=complete_experiment,
        ),
    ] = None,
    runs_dir: RunsDirOption = Path("runs"),
    is_json: JsonOption = False,
) -> None:
    """List experiments, or the runs of one, with their states.

    A run whose status says running but whose process has died was cut off.

    Example: `bnexp ls quickstart`
    """
    from bnexp.runs.reading import find_folder, list_experiments
    from bnexp.runs.run_dir import TUNING

    gc.disable()  # thousands of runs are many objects, none of them in a cycle
    if name is not None:
        folder = find_folder(name, runs_dir)
        _print_runs([*_read(folder), *_read(folder / TUNING)], is_json)
        return
    experiments = {
        path.name: (_read(path), _read(path / TUNING)) for path in list_experiments(runs_dir)
    }
    if is_json:
        print_json([_describe_experiment(key, *both) for key, both in experiments.items()])
    elif experiments:
        headers = ("experiment", "cells", "runs", "states", "last active")
        rows = [_summarise_experiment(key, *both) for key, both in experiments.items()]
        print_table(headers, rows, NUMBERS)
    else:
        say(f"no runs in {runs_dir}; train some first: bnexp train CONFIG")


def _read(folder: Path) -> tuple[RunRecord, ...]:
    """Returns the runs in a folder, none if there are none."""
    from bnexp.runs.reading import find_runs, read_experiments

    if not any(find_runs(folder)):
        return ()
    return read_experiments([folder.name], folder.parent, with_config=False)


def _print_runs(records: Sequence[RunRecord], is_json: bool) -> None:
    from bnexp.locks import describe_holder
    from bnexp.runs.run_dir import RunDir

    if is_json:
        print_json([describe_run(record) for record in records])
        return
    rows = [_summarise_run(record) for record in records]
    if len(rows) > MOST_ROWS_OF_A_TABLE:
        headers = tuple(header.replace("\n", " ") for header in RUN_HEADERS)
        _print_plainly([headers, *rows])
    else:
        before = ["", *(row[0] for row in rows)]
        shown = [
            ("" if name == last else FoldedName(name), *others)
            for (name, *others), last in zip(rows, before, strict=False)
        ]
        print_table(RUN_HEADERS, shown, NUMBERS)
    for record in records:
        if record.is_running:
            echo(f"{describe_holder(RunDir(record.path).lock)} holds {record.path}")
    for problem in dict.fromkeys(one for record in records for one in record.all_problems):
        warn(problem)


def _summarise_experiment(
    name: str, records: Sequence[RunRecord], tuning: Sequence[RunRecord]
) -> Sequence[RenderableType]:
    cells = len({record.cell for record in records})
    newest = max([*records, *tuning], key=lambda record: record.heartbeat or 0.0)
    states = [count_states(records)] if records else []
    states += [f"tuning: {count_states(tuning)}"] if tuning else []
    counts = (str(cells), str(len(records)), "; ".join(states))
    return (FoldedName(name), *counts, describe_age(newest))


def _summarise_run(record: RunRecord) -> tuple[str, ...]:
    """Returns a run's row, in the order of RUN_HEADERS."""
    from bnexp.runs.run_dir import TUNING

    summary = record.summary
    accuracy = summary.final.get("test/accuracy") if summary else None
    is_tuning = record.experiment_folder.name == TUNING
    return (
        f"{TUNING}/{record.cell}" if is_tuning else record.cell,
        str(record.seed),
        name_state(record),
        str(summary.epochs) if summary else "–",
        format_percent(accuracy) if accuracy is not None else "–",
        describe_age(record),
    )


def _print_plainly(rows: Sequence[Sequence[str]]) -> None:
    """Prints aligned columns, each line whole however wide the terminal is."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    accept_any_text()
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())  # noqa: T201 - typer.echo takes longer than everything else


def _describe_experiment(
    name: str, records: Sequence[RunRecord], tuning: Sequence[RunRecord]
) -> dict[str, object]:
    return {
        "experiment": name,
        "cells": len({record.cell for record in records}),
        "runs": len(records),
        "states": tally_states(records),
        "tuning": tally_states(tuning),
        "silent": sum(record.is_silent for record in records),
        "heartbeat": max((one.heartbeat or 0.0 for one in (*records, *tuning)), default=None),
    }

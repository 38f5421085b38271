"""`bnexp ls`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bnexp.cli.options import JsonOption, RunsDirOption
from bnexp.cli.run_states import count_states, describe_age, describe_state
from bnexp.reports.console import FoldedName, accept_any_text, open_console, open_table
from bnexp.runs import RunRecord, list_experiments, read_experiments
from bnexp.wording import format_percent

RUN_HEADERS = ("cell", "seed", "state", "epochs", "test accuracy", "last active")
NUMBERS = ("cells", "runs", "seed", "epochs", "test accuracy")

MOST_ROWS_OF_A_TABLE = 500
"""Beyond this many runs, rows are printed without Rich, which takes seconds for thousands."""


def ls(
    name: Annotated[str | None, typer.Argument(help="An experiment. [default: all]")] = None,
    runs_dir: RunsDirOption = Path("runs"),
    is_json: JsonOption = False,
) -> None:
    """List experiments, or the runs of one, with their states.

    A run whose status says running but whose process has died was cut off.
    """
    if name is not None:
        _print_runs(read_experiments([name], runs_dir, with_config=False), is_json)
        return
    experiments = {
        path.name: read_experiments([str(path.absolute())], runs_dir, with_config=False)
        for path in list_experiments(runs_dir)
    }
    if is_json:
        rows = [_describe_experiment(key, records) for key, records in experiments.items()]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not experiments:
        typer.echo(f"no runs in {runs_dir}; train some first: bnexp train CONFIG", err=True)
        return
    headers = ("experiment", "cells", "runs", "states", "last active")
    table = open_table(*headers, numbers=NUMBERS)
    for key, records in experiments.items():
        cells = len({record.cell for record in records})
        newest = max(records, key=lambda record: record.heartbeat or 0.0)
        age = describe_age(newest)
        table.add_row(FoldedName(key), str(cells), str(len(records)), count_states(records), age)
    open_console().print(table)


def _print_runs(records: Sequence[RunRecord], is_json: bool) -> None:
    if is_json:
        typer.echo(json.dumps([_describe_run(record) for record in records], indent=2))
        return
    rows = [_summarise_run(record) for record in records]
    if len(rows) > MOST_ROWS_OF_A_TABLE:
        _print_plainly([RUN_HEADERS, *rows])
    else:
        table = open_table(*RUN_HEADERS, numbers=NUMBERS)
        before = None
        for name, *others in rows:
            table.add_row("" if name == before else FoldedName(name), *others)
            before = name
        open_console().print(table)
    for problem in (problem for record in records for problem in record.problems):
        typer.echo(f"warning: {problem}", err=True)


def _summarise_run(record: RunRecord) -> tuple[str, ...]:
    """Returns a run's row, in the order of RUN_HEADERS."""
    summary = record.summary
    accuracy = summary.final.get("test/accuracy") if summary else None
    return (
        record.cell,
        str(record.seed),
        describe_state(record),
        str(summary.epochs) if summary else "–",
        format_percent(accuracy) if accuracy is not None else "–",
        describe_age(record),
    )


def _print_plainly(rows: Sequence[Sequence[str]]) -> None:
    """Prints aligned columns, each line whole however wide the terminal is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    accept_any_text()
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())  # noqa: T201 - typer.echo takes longer than everything else


def _describe_experiment(name: str, records: Sequence[RunRecord]) -> dict[str, object]:
    return {
        "experiment": name,
        "cells": len({record.cell for record in records}),
        "runs": len(records),
        "states": dict(Counter(record.state for record in records)),
        "silent": sum(record.is_silent for record in records),
        "heartbeat": max((record.heartbeat or 0.0 for record in records), default=None),
    }


def _describe_run(record: RunRecord) -> dict[str, object]:
    return {
        "path": str(record.path),
        "cell": record.cell,
        "seed": record.seed,
        "state": record.state,
        "silent": record.is_silent,
        "settings": dict(record.settings),
        "final": dict(record.summary.final) if record.summary else {},
        "heartbeat": record.heartbeat,
        "problems": list(record.problems),
    }

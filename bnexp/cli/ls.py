"""`bnexp ls`."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from bnexp.reports.console import open_console
from bnexp.runs import STATES, RunRecord, list_experiments, read_experiments


def ls(
    name: Annotated[str | None, typer.Argument(help="An experiment; all without it.")] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List experiments, or the runs of one."""
    if name is not None:
        _print_runs(read_experiments([name], runs_dir), is_json)
        return
    experiments = {
        path.name: read_experiments([str(path)], runs_dir) for path in list_experiments(runs_dir)
    }
    if is_json:
        rows = [_describe_experiment(key, records) for key, records in experiments.items()]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not experiments:
        typer.echo(f"no runs in {runs_dir}; train some first: bnexp train CONFIG", err=True)
        return
    table = _open_table("experiment", "cells", "runs", "states", "last sign of life")
    for key, records in experiments.items():
        cells = len({record.cell for record in records})
        table.add_row(key, str(cells), str(len(records)), _states(records), _age(records))
    open_console().print(table)


def _print_runs(records: Sequence[RunRecord], is_json: bool) -> None:
    if is_json:
        typer.echo(json.dumps([_describe_run(record) for record in records], indent=2))
        return
    table = _open_table("run", "seed", "state", "epochs", "test accuracy", "last sign of life")
    for record in records:
        summary = record.summary
        accuracy = summary.final.get("test/accuracy") if summary else None
        table.add_row(
            record.cell,
            str(record.seed),
            record.state,
            str(summary.epochs) if summary else "–",
            f"{accuracy:.1%}" if accuracy is not None else "–",
            _age([record]),
        )
    open_console().print(table)
    for problem in (problem for record in records for problem in record.problems):
        typer.echo(f"warning: {problem}", err=True)


def _open_table(*headers: str) -> Table:
    """Returns a table whose texts are folded where they are too long, never cut."""
    return Table(*(Column(header, overflow="fold") for header in headers))


def _states(records: Sequence[RunRecord]) -> str:
    counts = Counter(record.state for record in records)
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def _age(records: Sequence[RunRecord]) -> str:
    beats = [record.heartbeat for record in records if record.heartbeat]
    if not beats:
        return "–"
    seconds = max(0.0, time.time() - max(beats))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _describe_experiment(name: str, records: Sequence[RunRecord]) -> dict[str, object]:
    return {
        "experiment": name,
        "cells": len({record.cell for record in records}),
        "runs": len(records),
        "states": dict(Counter(record.state for record in records)),
        "heartbeat": max((record.heartbeat or 0.0 for record in records), default=None),
    }


def _describe_run(record: RunRecord) -> dict[str, object]:
    return {
        "path": str(record.path),
        "cell": record.cell,
        "seed": record.seed,
        "state": record.state,
        "settings": dict(record.settings),
        "final": dict(record.summary.final) if record.summary else {},
        "heartbeat": record.heartbeat,
        "problems": list(record.problems),
    }

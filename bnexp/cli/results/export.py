"""`bnexp export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bnexp.cli.names import TierOption, add_tier, complete_experiment
from bnexp.cli.options import RunsDirOption
from bnexp.cli.output import say, warn, write


def export(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|PATH",
            help="Experiments, by name or by folder. [default: the newest]",
            autocompletion=complete_experiment,
        ),
    ] = None,
    tier: TierOption = None,
    form: Annotated[
        Literal["csv", "parquet", "json"],
        typer.Option("--format", help="Format to write; parquet needs bnexp[frames] and a file."),
    ] = "csv",
    per: Annotated[
        Literal["epochs", "steps"],
        typer.Option(
            help="A row per value and epoch, or per value and recorded step, diagnostics included."
        ),
    ] = "epochs",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write. [default: stdout]"),
    ] = None,
    runs_dir: RunsDirOption = Path("runs"),
) -> None:
    """Write what runs measured as one long, tidy table, for pandas, R or a spreadsheet.

    Each row is one value: experiment, cell, seed, state, the swept keys, epoch, tag, value.

    Example: `bnexp export quickstart --format csv -o curves.csv`
    """
    from bnexp.api.runs import load_runs
    from bnexp.api.tables import write_table

    names = [add_tier(target, tier, runs_dir) for target in targets or []]
    runs = load_runs(*names, runs_dir=runs_dir)
    for problem in dict.fromkeys(one for run in runs for one in run.record.all_problems):
        warn(problem)
    text = write_table(runs, form, output, per)
    if text is not None:
        write(text)
    else:
        say(f"wrote {output}")

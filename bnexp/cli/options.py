"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunsDirOption = Annotated[Path, typer.Option(metavar="DIR", help="Where runs are kept.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Replace a value; repeatable."),
]
TrustOption = Annotated[
    bool,
    typer.Option("--trust", help="Run the Python file of `model: {name: file}`, as train does."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON.")]

"""How commands print: results to stdout, as a table or as JSON, everything else to stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import typer
from rich.console import RenderableType

from bnexp.console import open_console, open_table
from bnexp.foreign_text import visible, visible_lines
from bnexp.wording import command_to_paste, wrap_words


def say(line: str) -> None:
    """Prints a line to stderr."""
    typer.echo(fit(line, sys.stderr), err=True)


def echo(line: str, indent: int = 2) -> None:
    """Prints a line to stdout."""
    typer.echo(fit(line, sys.stdout, indent))


def write(text: str) -> None:
    """Prints a whole text to stdout as it is, but visible."""
    typer.echo(visible_lines(text), nl=False)


def fit(line: str, stream: TextIO | None, indent: int = 2) -> str:
    """Returns the line, visible, on a terminal broken between words; elsewhere it stays one."""
    line = visible(line)
    if stream is None or not stream.isatty():
        return line
    return wrap_words(line, shutil.get_terminal_size().columns, indent)


def warn(message: str) -> None:
    """Prints a warning to stderr."""
    say(f"warning: {message}")


def print_json(content: Any) -> None:  # noqa: ANN401 - any JSON value
    """Prints plain values to stdout as indented JSON."""
    write(f"{json.dumps(content, indent=2)}\n".replace("\x7f", "\\u007f"))


def print_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[RenderableType]],
    numbers: Collection[str] = (),
    title: str = "",
) -> None:
    """Prints a title and a table to stdout; headers among `numbers` make a column flush right."""
    table = open_table(*headers, numbers=numbers)
    for row in rows:
        table.add_row(*row)
    console = open_console()
    if title:
        console.print(fit(title, sys.stdout), style="bold", soft_wrap=True)
    console.print(table)


def table_width() -> int:
    """Returns the characters that a line of a table on stdout may have."""
    return open_console().width


def command_on(experiment: str, command: str, runs_dir: Path) -> str:
    """Returns a command on an experiment as it can be pasted: `bnexp compare quickstart`."""
    option = [] if runs_dir == Path("runs") else ["--runs-dir", str(runs_dir)]
    return command_to_paste(["bnexp", command, experiment, *option])

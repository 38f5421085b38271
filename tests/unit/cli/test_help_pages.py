"""What the help page of every command has in common."""

import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bnexp.cli.app import build_app

APP = build_app()


def find_commands(command, words=()):
    for name, child in command.commands.items():
        yield from (
            find_commands(child, (*words, name)) if hasattr(child, "commands") else [(*words, name)]
        )


COMMANDS = list(find_commands(get_command(APP)))


def help_of(words, columns="80"):
    return CliRunner().invoke(APP, [*words, "--help"], env={"COLUMNS": columns}).stdout


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_it_has_an_example(words):
    assert f"Example: bnexp {' '.join(words)}" in help_of(words)


@pytest.mark.parametrize("words", [(), ("data",), *COMMANDS], ids=" ".join)
def test_it_names_no_python_types(words):
    assert re.findall(r"<(?:bool|str|path|int|float|list).*?>", help_of(words)) == []

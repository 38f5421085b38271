"""How commands print: what they suggest to run next can be pasted."""

from pathlib import Path

from bnexp.cli.output import command_on


def test_the_usual_folder_needs_no_option():
    assert command_on("quickstart", "compare", Path("runs")) == "bnexp compare quickstart"


def test_a_folder_with_a_blank_is_quoted():
    command = command_on("quickstart", "tb", Path("my runs"))

    assert command == "bnexp tb quickstart --runs-dir 'my runs'"

"""`bnexp` commands one after the other in a process of their own, which imports PyTorch once."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

RUNNER = """
import json, sys
from bnexp.cli.app import main

for words in json.load(sys.stdin):
    sys.argv = ["bnexp", *words]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"exit code {stop.code}: {words}")
    print("\\f")
"""
"""Runs commands until one fails, with a form feed after what each prints."""


@dataclass(frozen=True)
class Output:
    """What the commands wrote."""

    printed: tuple[str, ...]
    """To stdout, command by command."""
    said: str
    """To stderr, all together."""


def run_in_one_process(commands, cwd, **environment):
    """Returns what the commands wrote, none of which may fail."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        env={**os.environ, "COLUMNS": "200", **environment},
        cwd=cwd,
        input=json.dumps(commands),
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Output(tuple(done.stdout.split("\f\n")[:-1]), done.stderr)

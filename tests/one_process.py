"""`bnexp` commands one after the other in a process of their own, which imports PyTorch once."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass

HANG_SECONDS = 300
RUNNER = """
import json, sys
from bnexp.cli.app import main

for line in sys.stdin:
    sys.argv = ["bnexp", *json.loads(line)]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"exit code {stop.code}: {sys.argv}")
    print("\\f", flush=True)
"""
"""Runs commands until one fails, with a form feed after what each prints."""


@dataclass(frozen=True)
class Output:
    """What the commands wrote."""

    printed: tuple[str, ...]
    """To stdout, command by command."""
    said: str
    """To stderr, all together."""


class OneProcess:
    """A process that waits for commands, none of which may fail."""

    def __init__(self, process, said):
        self._process = process
        self._said = said

    def run(self, *words):
        """Runs a command, and returns what it wrote to stdout."""
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        printed = ""
        for line in self._process.stdout:
            printed += line.removesuffix("\f\n")
            if line.endswith("\f\n"):
                return printed
        raise AssertionError(printed + self.said)

    @property
    def said(self):
        """What the commands wrote to stderr so far."""
        self._said.seek(0)
        return self._said.read()


@contextmanager
def start_one_process(cwd, **environment):
    """Gives a process that takes commands until the end of the context."""
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    with tempfile.TemporaryFile("w+", encoding=encoding) as said:
        process = subprocess.Popen(
            [sys.executable, "-c", RUNNER],
            env={**os.environ, "COLUMNS": "200", **environment},
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            encoding=encoding,
        )
        limit = threading.Timer(HANG_SECONDS, process.kill)
        limit.start()
        try:
            with process:
                yield OneProcess(process, said)
        finally:
            limit.cancel()


def run_in_one_process(commands, cwd, **environment):
    """Returns what the commands wrote, none of which may fail."""
    with start_one_process(cwd, **environment) as process:
        printed = tuple(process.run(*words) for words in commands)
        return Output(printed, process.said)

"""`bnexp` commands as processes that start in no time: forks of one that has imported PyTorch."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def wait_until(is_true, seconds=120):
    """Waits for what must come; the limit only ends a test that hangs."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Fork:
    """A `bnexp` command in progress, in a process group of its own."""

    def __init__(self, ask, pid, said):
        self._ask = ask
        self._said = said
        self._answer = None
        self.pid = pid

    def wait(self, kill_after=None, seconds=120):
        """Returns the exit code, negative for a signal; kills it after `kill_after` seconds."""
        if self._answer is None:
            details = {"child": self.pid, "kill_after": kill_after, "seconds": seconds}
            answer = self._ask({"wait": details})
            assert answer["code"] is not None, f"still there after {seconds} s: {self.said}"
            self._answer = answer
        return self.code

    def send_signal(self, number):
        os.kill(self.pid, number)

    @property
    def code(self):
        return self._answer["code"]

    @property
    def seconds(self):
        """How long it took since it was last waited for."""
        return self._answer["seconds"]

    @property
    def said(self):
        """What it wrote to stdout and stderr so far."""
        return self._said.read_text()


class Forks:
    """Starts commands; several may run at once, and each is waited for."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self._number = 0
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *words, cwd, before="", printed=None, **environment):
        """Starts `bnexp` with these words; `before` is code that its process runs first.

        What it writes to stdout goes into the file `printed`, or where stderr goes.
        """
        self._number += 1
        said = Path(self._folder.name) / f"{self._number}.txt"
        said.touch()
        job = {
            "words": [str(word) for word in words],
            "cwd": str(cwd),
            "printed": str(said if printed is None else printed),
            "said": str(said),
            "before": before,
            "environment": {**os.environ, "COLUMNS": "200", **environment},
        }
        return Fork(self._ask, self._ask({"start": job})["pid"], said)

    def run(self, *words, kill_after=None, **options):
        """Runs a command to its end."""
        fork = self.start(*words, **options)
        fork.wait(kill_after)
        return fork

    def complete(self, *words, cwd, before="", **environment):
        """Runs a command to its end, and returns what `subprocess.run` would."""
        printed = Path(self._folder.name) / f"{self._number}-stdout.txt"
        fork = self.start(*words, cwd=cwd, before=before, printed=printed, **environment)
        fork.wait(seconds=300)
        return subprocess.CompletedProcess(words, fork.code, printed.read_text(), fork.said)

    def close(self):
        self._process.communicate(timeout=30)
        self._folder.cleanup()

    def _ask(self, request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

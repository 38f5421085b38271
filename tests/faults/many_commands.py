"""Many commands that end at once, one after the other in a process that must not need PyTorch."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass

HANG_SECONDS = 120

HEAD = "name: trial\ndata: {name: cifar10}\nmodel: {name: cnn, layers: [{conv: 8}]}\n"
RUNNER = """
import contextlib, io, json, os, sys, time, traceback
from pathlib import Path
from bnexp.cli.app import main

def peak_megabytes():
    if sys.platform != "linux":
        return None
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000

results = []
for folder, arguments in json.load(sys.stdin):
    os.chdir(folder)
    said, printed = io.StringIO(), io.StringIO()
    sys.argv = ["bnexp", *arguments]
    began = time.process_time()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            code = traceback.format_exc()
    seconds = time.process_time() - began
    results.append([[code, said.getvalue(), printed.getvalue()], seconds])
print(json.dumps([results, peak_megabytes(), "torch" in sys.modules]))
"""
"""Runs commands, each in its folder, in a process of its own, through the command's own `main`."""


@dataclass(frozen=True)
class Corpus:
    """What was said of configs, by their keys."""

    files: dict
    ends: dict
    """Exit code, stderr and stdout."""
    seconds: dict
    """Of the processor, not of the clock."""
    megabytes: float | None
    """At most, of them all; None where the system does not say."""


def run_all(commands, cwd):
    """Returns (exit code, stderr, stdout) of each command."""
    return run_in_folders([(cwd, words) for words in commands])


def run_in_folders(commands):
    """Returns (exit code, stderr, stdout) of each command, which comes with its folder."""
    return [tuple(end) for end, _ in _run(commands)[0]]


def train_all(texts, tmp_path_factory):
    """Trains configs by their keys, each in its own file; none may have anything written."""
    folder = tmp_path_factory.mktemp("corpus")
    files = {key: f"{re.sub('[^a-z0-9]+', '-', key.lower()).strip('-')}.yaml" for key in texts}
    assert len(set(files.values())) == len(texts)
    for key, text in texts.items():
        content = text if isinstance(text, bytes) else text.encode()
        (folder / files[key]).write_bytes(content)
    before = sorted(folder.rglob("*"))
    # The first command imports what all need, which is not the configs' time.
    commands = [(folder, ["train", file]) for file in ("no-such.yaml", *files.values())]
    (_, *results), megabytes = _run(commands)
    assert sorted(folder.rglob("*")) == before, "something was written"
    ends = {key: tuple(end) for key, (end, _) in zip(files, results, strict=True)}
    seconds = {key: seconds for key, (_, seconds) in zip(files, results, strict=True)}
    return Corpus(files, ends, seconds, megabytes)


def _run(commands):
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        cwd=commands[0][0],
        input=json.dumps([(str(folder), words) for folder, words in commands]),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    results, megabytes, has_torch = json.loads(done.stdout)
    assert not has_torch
    return results, megabytes

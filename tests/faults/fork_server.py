"""Runs `bnexp` commands in forks of a process that has imported PyTorch once; kills some.

Importing takes seconds, and a fork is a real process that a real SIGKILL can end. Reads a JSON
list of the command's words with `kill_after` (seconds, or null) a line, answers with the wait
status's exit code a line, negative for a signal.
"""

import gc
import json
import os
import signal
import sys
import time

import tensorboard.plugins.hparams.summary_v2
import tensorboard.summary.writer.event_file_writer  # noqa: F401

import bnexp.launch.sweep
from bnexp.cli.app import main


def run_in_fork(words, log, kill_after):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(target, 1)
        os.dup2(target, 2)
        sys.argv = ["bnexp", *words]
        code = 1
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    deadline = None if kill_after is None else time.monotonic() + kill_after
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            deadline = None
        time.sleep(0.0005)


if __name__ == "__main__":
    assert bnexp.launch.sweep
    gc.freeze()
    for line in sys.stdin:
        job = json.loads(line)
        started = time.monotonic()
        code = run_in_fork(job["words"], job["log"], job["kill_after"])
        answer = {"code": code, "seconds": time.monotonic() - started}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

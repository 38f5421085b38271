"""Runs `bnexp` commands in forks of a process that is ready for them; kills some.

Importing PyTorch and matplotlib, and drawing `shapes`, take seconds and are done once; a fork is
a real process that a real signal can end. Reads a JSON request per line and answers each with a
line: `start` with the process's number, `wait` with its exit code, negative for a signal, and the
seconds since it was last waited for or started.
"""

import contextlib
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path

import filelock  # noqa: F401
import matplotlib.backends.backend_agg
import matplotlib.backends.backend_svg
import matplotlib.figure  # noqa: F401
import numpy.ma  # noqa: F401
import PIL.Image
import scipy.special  # noqa: F401
import tensorboard.plugins.hparams.summary_v2
import tensorboard.summary.writer.event_file_writer  # noqa: F401
import torch
from typer.main import get_command

import bnexp.analysis.claims.assess
import bnexp.api.report
import bnexp.cli.runs.show_run
import bnexp.diagnostics.activation_statistics.probe
import bnexp.diagnostics.gradient_norm.probe
import bnexp.diagnostics.norm_statistics.probe
import bnexp.diagnostics.update_ratio.probe
import bnexp.launch.notices
import bnexp.launch.stages.experiment
import bnexp.launch.stages.sweep
import bnexp.models.network
import bnexp.norms.batch.layer
import bnexp.reports.csv
import bnexp.reports.figures.files
import bnexp.reports.html.page
import bnexp.reports.json
import bnexp.reports.latex
import bnexp.reports.tensorboard.report
import bnexp.reports.terminal
import bnexp.runs.inspection
import bnexp.runs.removal
import bnexp.studies.declaring
import bnexp.studies.planning
import bnexp.studies.report.drawing
import bnexp.studies.report.json
import bnexp.studies.report.page
import bnexp.studies.report.tensorboard
import bnexp.studies.report.terminal
import bnexp.studies.training
from bnexp.cli.app import build_app, main
from bnexp.config.load import load_experiment
from bnexp.data.shapes.config import ShapesConfig
from bnexp.runs.environment import describe_environment
from bnexp.training.machine.conditions import describe_conditions

children = set()
"""Those that have not been waited for."""


def prepare():
    """Does once what each command would do again, down to drawing and hashing `shapes`."""
    dict(get_command(build_app()).commands)
    PIL.Image.preinit()
    describe_environment()
    describe_conditions(torch.device("cpu"), "")
    load_experiment(Path(__file__).parents[1] / "configs/quickstart.yaml")
    shapes = ShapesConfig().load(lambda _: None)
    assert shapes.fingerprint
    shapes.find_warnings()


def start(job):
    """Runs the command in a fork, as a terminal would: in a process group of its own."""
    child = os.fork()
    if child:
        children.add(child)
        return {"pid": child}
    code = 1
    try:
        prepare_process(job)
        exec(job["before"], {})
        main()
        code = 0
    except SystemExit as error:
        code = error.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def prepare_process(job):
    os.setsid()
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "printed"), (2, "said")):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.argv = ["bnexp", *job["words"]]
    # Nothing has been, by PyTorch.
    bnexp.launch.stages.experiment.has_computed_nothing = lambda: True
    # As with `python -m bnexp`: workers that `spawn` starts do not run the main file again.
    vars(sys.modules["__main__"]).pop("__file__", None)


def wait(child, kill_after, seconds):
    """Waits for the end; with `kill_after` kills the process then; None after `seconds`."""
    started = time.monotonic()
    deadline = None if kill_after is None else started + kill_after
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            children.discard(child)
            code = os.waitstatus_to_exitcode(status)
            return {"code": code, "seconds": time.monotonic() - started}
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            deadline = None
        if time.monotonic() - started > seconds:
            return {"code": None, "seconds": seconds}
        time.sleep(0.0005)


if __name__ == "__main__":
    prepare()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        answer = wait(**request["wait"]) if "wait" in request else start(request["start"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    # What a test that failed has left behind; all it started is in its process group.
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

"""Workers of sweeps that start in no time: forks of a server that has imported PyTorch."""

import multiprocessing
import os
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace

import pytest

_CONTEXT = multiprocessing.get_context("forkserver")


def use_ready_workers(patch):
    """Lets the sweeps of this process have such workers.

    As those that `spawn` starts, they have no memory, no files and no locks of this process.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        _CONTEXT.set_forkserver_preload(["prepared"])
        forkserver.ensure_running()
    context = SimpleNamespace(get_context=lambda method: _CONTEXT)
    patch.setattr("bnexp.launch.engines.pool.multiprocessing", context)

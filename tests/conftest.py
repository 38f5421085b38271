"""Fixtures that tests of several packages share."""

import gc
import os
import subprocess
import sys

import pytest
from forks import Forks
from hypothesis import settings

# A test's time says how busy the machine is, and nothing of the code.
settings.register_profile("bnexp", deadline=None)
settings.load_profile("bnexp")
# Nothing of what is imported and collected is garbage, however often one looks for it there.
gc.disable()


def pytest_collection_finish():
    """Leaves what was collected out of the garbage collections of the tests."""
    gc.freeze()
    gc.enable()


def start_bnexp(*arguments, cwd, **environment):
    """Runs the command as a user would, in a process that starts with it."""
    return subprocess.run(
        [sys.executable, "-m", "bnexp", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def started_bnexp():
    """Runs a command of which the start matters: what Python and PyTorch read there, its time."""
    return start_bnexp


@pytest.fixture(scope="session")
def forks():
    """Starts commands in processes that have everything imported already."""
    started = Forks()
    yield started
    started.close()


@pytest.fixture(scope="session")
def bnexp(forks):
    """Runs a command in a process that has everything imported already."""
    return forks.complete


@pytest.fixture
def cuda():
    """The GPU, with PyTorch set as for a run on it."""
    import torch

    from bnexp.training.machine.device import make_deterministic, resolve_device

    was = torch.get_deterministic_debug_mode()
    device = resolve_device("cuda")
    make_deterministic(device, threads=1, is_compiled=False)
    yield device
    torch.set_deterministic_debug_mode(was)


@pytest.fixture(scope="session", autouse=True)
def _own_data_folder(tmp_path_factory):
    """Keeps what tests decode and download out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNEXP_DATA", str(tmp_path_factory.mktemp("data")))
        yield

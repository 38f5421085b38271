"""Fixtures that tests of several packages share."""

import os
import subprocess
import sys

import pytest
from hypothesis import settings

# A test's time says how busy the machine is, and nothing of the code.
settings.register_profile("bnexp", deadline=None)
settings.load_profile("bnexp")


def run_bnexp(*arguments, cwd, **environment):
    """Runs the command as a user would, in another process."""
    return subprocess.run(
        [sys.executable, "-m", "bnexp", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def bnexp():
    return run_bnexp


@pytest.fixture(scope="session", autouse=True)
def _own_data_folder(tmp_path_factory):
    """Keeps what tests decode and download out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNEXP_DATA", str(tmp_path_factory.mktemp("data")))
        yield

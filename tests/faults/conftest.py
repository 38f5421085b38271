"""What tests of several faults share."""

import pytest
from forks import Forks


@pytest.fixture(scope="session")
def forks():
    started = Forks()
    yield started
    started.close()

"""What every test of datasets is given: a data folder of its own."""

import pytest


@pytest.fixture(autouse=True)
def data_folder(tmp_path_factory, monkeypatch):
    """Keeps tests away from the user's datasets."""
    folder = tmp_path_factory.mktemp("data-home")
    monkeypatch.setenv("BNEXP_DATA", str(folder))
    monkeypatch.delenv("BNEXP_CIFAR10_URL", raising=False)
    return folder

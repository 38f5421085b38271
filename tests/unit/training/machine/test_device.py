"""The device that a run trains on, and how PyTorch is set for it."""

import platform

import pytest
import torch

from bnexp.training.machine.device import describe_device, make_deterministic

CPU = torch.device("cpu")


@pytest.fixture
def own_settings(monkeypatch):
    """Gives PyTorch's settings of this process back."""
    was, threads = torch.get_deterministic_debug_mode(), torch.get_num_threads()
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield
    torch.set_deterministic_debug_mode(was)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize(("device", "expected"), [("cpu", True), ("mps", False)])
def test_what_has_no_deterministic_form_is_an_error_except_on_mps(
    device, expected, is_compiled, own_settings
):
    make_deterministic(torch.device(device), threads=1, is_compiled=is_compiled)

    assert torch.are_deterministic_algorithms_enabled() is expected
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.parametrize(
    ("processor", "expected"), [("EPYC", "EPYC"), ("", "x86_64")], ids=["named", "nameless"]
)
def test_a_processor_that_has_no_name_is_called_by_its_architecture(
    processor, expected, monkeypatch
):
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")

    found = describe_device(CPU)
    assert found == {
        "device": {"type": "cpu", "name": expected}, "threads": torch.get_num_threads()
    }  # fmt: skip

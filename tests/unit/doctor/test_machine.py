"""The doctor's look at the machine: facts gathered without PyTorch, and what is made of them."""

import json
import os

import pytest
from doctor_cases import MISSING, machine, with_torch

from bnexp.doctor.machine.torchvision_pair import find_mismatch
from bnexp.doctor.registry import examine
from bnexp.doctor.subjects.machine import gather_machine, probe_code, try_folder


def find(subject):
    return {one.check: one for one in examine("machine", subject)}


@pytest.mark.parametrize(
    ("torch", "torchvision", "expected"),
    [
        ("2.11.0", "0.26.0", None),
        ("2.14.1+cu130", "0.29.1+cu130", None),
        ("2.11.0+cpu", "0.26.0", None),
        ("3.0.0", "1.0.0", None),
        ("2.11.0", "0.25.1", "torch 2.11.0 goes with torchvision 0.26, not with 0.25.1"),
        ("2.0.1", "0.16.0", "torch 2.0.1 goes with torchvision 0.15, not with 0.16.0"),
        ("2.11.0+cpu", "0.26.0+cu126", "torch is built for cpu, torchvision for cu126"),
    ],
)
def test_torch_and_torchvision_are_pairs(torch, torchvision, expected):
    assert find_mismatch(torch, torchvision) == expected


def test_without_pytorch_the_other_checks_still_run():
    found = find(machine(torch=MISSING, omp_threads="8"))

    assert found["torch_import"].evidence == "ModuleNotFoundError: No module named 'torch'"
    assert found["threads"].what == "8 threads would share 2 cores"
    assert found["disk"].severity == "fine"
    assert "device" not in found


def test_slow_bf16_is_a_note_since_nobody_has_asked_for_it_yet():
    found = find(with_torch(bf16_slowdown=15.2))["bf16"]

    assert found.severity == "note"
    assert "15 times as long" in found.evidence


def test_a_library_that_fails_at_import_is_a_fact():
    assert probe_code("import no_such_library").problem == (
        "ModuleNotFoundError: No module named 'no_such_library'"
    )


@pytest.mark.skipif(not hasattr(os, "kill"), reason="Windows has no signals")
def test_a_library_that_crashes_python_is_a_fact():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"

    assert probe_code(code).problem == "its import crashed Python (signal 11)"


def test_a_folder_with_locks_is_fine_and_left_as_it_was(tmp_path):
    assert try_folder(tmp_path) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_cannot_be_written(tmp_path):
    assert try_folder(tmp_path / "gone") == ("No such file or directory", None)


def test_this_machine_is_gathered(tmp_path):
    found = gather_machine(tmp_path / "runs")

    assert find_mismatch(found.torch.facts["version"], found.torchvision.facts["version"]) is None
    assert found.tensorboard.problem is None
    assert found.cores >= 1
    assert {one.state for one in found.datasets} == {"missing"}
    assert not (tmp_path / "runs").exists()


def test_the_command_answers_without_pytorch(started_bnexp, tmp_path):
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "torch.py").write_text("raise ImportError('libcudart.so.13 is missing')")

    done = started_bnexp("doctor", "--json", cwd=tmp_path, PYTHONPATH=python_path(tmp_path))

    content = json.loads(done.stdout)
    errors = [one for one in content["findings"] if one["severity"] == "error"]
    assert done.returncode == 1
    assert content["is_sound"] is False
    assert [one["check"] for one in errors] == ["torch_import"]
    assert errors[0]["evidence"] == "ImportError: libcudart.so.13 is missing"


def python_path(tmp_path):
    return os.pathsep.join([str(tmp_path / "stub"), os.environ.get("PYTHONPATH", "")])

"""What differs between operating systems, and between the devices of PyTorch."""

import errno
import os
import signal
import sys

import pytest
import torch

from bnexp.system import is_out_of_memory, map_on_cores


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_has_run_out_is_recognized_whatever_device_it_is_of(error, expected):
    assert is_out_of_memory(error) is expected


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr("bnexp.system.count_usable_cores", lambda: 3)


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
def test_work_is_done_by_a_process_per_core_and_comes_in_order(three_cores):
    found = map_on_cores(lambda item: (item, os.getpid()), range(10))

    assert [item for item, _ in found] == [*range(10)]
    assert len({process for _, process in found}) == 3


def test_fewer_items_than_cores_are_worked_on_too(three_cores):
    assert map_on_cores(str, [7]) == ["7"]
    assert map_on_cores(str, []) == []


@pytest.mark.parametrize("moment", ["at first", "at last"])
def test_the_work_of_a_process_that_dies_is_done_by_this_one(three_cores, moment):
    own = os.getpid()

    def work(item):
        if os.getpid() != own and item == {"at first": 4, "at last": 9}[moment]:
            os.kill(os.getpid(), signal.SIGTERM)
        return item

    assert map_on_cores(work, range(10)) == [*range(10)]

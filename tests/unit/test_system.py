"""What differs between operating systems, and between the devices of PyTorch."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from bnexp import system
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
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for a matmul"), False),
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
    def work(item):
        time.sleep(0.05)  # longer than it takes to fork
        return item, os.getpid()

    found = map_on_cores(work, range(10))

    assert [item for item, _ in found] == [*range(10)]
    assert len({process for _, process in found}) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
def test_other_processes_work_while_this_one_does_something_else(three_cores):
    found = map_on_cores(lambda _: os.getpid(), range(10), lambda: time.sleep(0.5))

    assert os.getpid() not in found


def test_fewer_items_than_cores_are_worked_on_too(three_cores):
    assert map_on_cores(str, [7]) == ["7"]
    assert map_on_cores(str, []) == []


@pytest.mark.parametrize("moment", ["at first", "at last"])
def test_the_work_of_a_process_that_dies_is_done_by_this_one(three_cores, moment):
    own = os.getpid()

    def work(item):
        if os.getpid() == own:
            time.sleep(0.05)  # so that the others get most of the work
        elif item == {"at first": 4, "at last": 9}[moment]:
            os.kill(os.getpid(), signal.SIGTERM)
        return item

    assert map_on_cores(work, range(10)) == [*range(10)]


USES_MEMORY_AGAIN = """
import ctypes, resource, sys
import numpy as np
from bnexp.system import give_freed_memory_back, keep_freed_memory

def count_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [np.ones(2**18) for _ in range(32)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

[count_faults() for _ in range(3)]
faults = [count_faults()]
keep_freed_memory()
count_faults()
faults.append(count_faults())
give_freed_memory_back()
faults.append(count_faults())
print(*faults)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's memory")
def test_memory_that_is_freed_is_used_again_without_asking_the_system_until_it_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", USES_MEMORY_AGAIN], capture_output=True, text=True, check=True
    )

    by_default, kept, given_back = map(int, done.stdout.split())
    pages = 32 * 8 * 2**18 // os.sysconf("SC_PAGE_SIZE")
    assert min(by_default, given_back) > pages / 2
    assert kept < pages / 20


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
def test_on_a_machine_with_a_thousand_cores_a_few_processes_do(monkeypatch):
    forks = []
    monkeypatch.setattr("bnexp.system.count_usable_cores", lambda: 1000)
    fork = system.fork
    monkeypatch.setattr("bnexp.system.fork", lambda run: forks.append(fork(run)) or forks[-1])
    # A pipe that holds no more than a page, as those of a user who has many.
    pipes, open_pipe = [], os.pipe

    def open_small_pipe():
        pipes.append(open_pipe())
        fcntl.fcntl(pipes[-1][0], fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(pipes[-1][1], len(pipes) > 1)  # what is to be done must not wait
        return pipes[-1]

    monkeypatch.setattr("bnexp.system.os.pipe", open_small_pipe)

    assert map_on_cores(str, range(5000)) == [*map(str, range(5000))]
    assert len(forks) < 16

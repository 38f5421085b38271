"""More threads than there are cores to run them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine
from bnexp.wording import count

PROBLEM = "PyTorch would start more threads than this process may use cores"
CAUSE = (
    "OMP_NUM_THREADS, or a container's limit that PyTorch does not know: threads then wait for "
    "each other, and a step takes several times as long"
)
FIX = "set OMP_NUM_THREADS, or train.threads in the config, to the number of cores"


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields threads and cores, also if PyTorch does not say how many threads it would start."""
    limit, cores = machine.cpu_limit, machine.cores
    usable = cores if limit is None else min(cores, max(1, math.ceil(limit)))
    evidence = count(cores, "core")
    if limit is not None and limit < cores:
        evidence += f", of which a container allows {limit:g}"
    asked = machine.omp_threads
    if asked is not None:
        evidence += f", OMP_NUM_THREADS={asked}"
    threads = machine.torch.facts.get("threads")
    if threads is None:
        threads = int(asked) if asked and asked.isdecimal() else 1
    if threads > usable:
        what = f"{count(threads, 'thread')} would share {count(usable, 'core')}"
        yield Finding(what, evidence, "warning")
    else:
        yield Finding(count(threads, "thread"), evidence, "fine")

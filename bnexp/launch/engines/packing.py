"""`train.pack`: how many seeds of a cell train at once in this process.

Measured on an H100 with batches of 128 in bf16: steps of all runs together per second, with
evaluations and files. The first column does without CUDA graphs.

| runs at once | 1, eager | 1 | 4 | 8 | 16 |
|---|---|---|---|---|---|
| CNN of two convolutions | 256 | 831 | 850 | | 1,346 |
| ResNet-20 | 60 | 200 | 270 | 297 | 311 |

In fp32, one run fills the GPU: 420 and 99 alone, 464 and 98 with 4 at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.pace import Pace
from bnexp.launch.plan import Order, PlannedRun
from bnexp.training.machine.device import resolve_device

AUTO_PACK = 16
"""More gain little, and take memory and time to start."""
MEMORY_SHARE = 0.8
"""How much of the GPU's free memory a pack may take; the rest is for what a trial does not show."""
GRAPH_FACTOR = 2
"""How many times the memory of its steps a run takes: the memory of a graph is its alone."""
STREAM_BYTES = 2**27
"""What cuBLAS keeps for the stream that a run is on."""

Measure = Callable[[PlannedRun], Pace | None]


def gains_by_packs(run: PlannedRun, measure: Measure) -> bool:
    """Returns whether runs like this one are faster if several train at once in one process."""
    train = run.spec.config.train
    if train.pack != "auto" or train.precision != "bf16" or not _is_on_gpu(run):
        return False
    pace = None if train.compile else measure(run)
    return pace is not None and pace.has_graph


def find_most(run: PlannedRun, is_auto: bool) -> int:
    """Returns how many runs of a cell train at once at most; 1 for `auto` unless `is_auto`."""
    if run.is_profiled:  # what others do is not its own
        return 1
    pack = run.spec.config.train.pack
    return pack if isinstance(pack, int) else AUTO_PACK if is_auto else 1


def choose_pack(order: Order, ledger: Ledger, is_auto: bool, measure: Measure) -> list[Order]:
    """Takes the runs out of the ledger that train at once with the one in `order`, and returns all.

    The runs of the cell that wait are divided into packs of about equal size.
    """
    run = order.run
    others = ledger.find_like(run)
    is_auto = is_auto and gains_by_packs(run, measure)
    most = min(find_most(run, is_auto), 1 + len(others))
    if most > 1 and _is_on_gpu(run):
        most = min(most, _count_rooms(measure(run)))
    packs = math.ceil((1 + len(others)) / most)
    size = math.ceil((1 + len(others)) / packs)
    taken = [order, *ledger.take_those(others[: size - 1])]
    return [replace(one, run=replace(one.run, pack=size)) for one in taken]


def _is_on_gpu(run: PlannedRun) -> bool:
    return resolve_device(run.spec.config.train.device).type == "cuda"


def _count_rooms(pace: Pace | None) -> int:
    """Returns how many runs of that pace the GPU holds; one that cannot work says why itself."""
    if pace is None:
        return 1
    free, _ = torch.cuda.mem_get_info()
    needed = GRAPH_FACTOR * pace.device_bytes + STREAM_BYTES
    return max(1, int(MEMORY_SHARE * free / needed))

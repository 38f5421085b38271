"""bf16 that is slower than fp32."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.config.train import SLOW_BF16
from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine
from bnexp.doctor.subjects.setup import Setup

PROBLEM = "train.precision: bf16 would be slower than fp32"
CAUSE = "this processor has no instructions for it, or PyTorch's kernels do not use them"
FIX = "train with train.precision: fp32, the default"


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields how long bf16 takes beside fp32, by a convolution tried on the CPU."""
    facts = machine.torch.facts
    if not facts:
        return
    if facts["cuda"]:
        supported = "has" if facts["cuda_bf16"] else "lacks"
        yield Finding("bf16", f"the GPU {supported} bf16", "fine" if facts["cuda_bf16"] else "note")
        return
    ratio = facts["bf16_slowdown"]
    # Nobody has asked for it yet: it is a config that does.
    yield Finding("bf16", _describe(ratio), "note" if ratio > SLOW_BF16 else "fine")


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields how long bf16 takes beside fp32, if the config asks for it."""
    if (ratio := setup.bf16_slowdown) is None:
        return
    if ratio > SLOW_BF16:
        yield Finding("bf16 is slow here", _describe(ratio), "warning", "train.precision")
    else:
        yield Finding("bf16", _describe(ratio), "fine")


def _describe(ratio: float) -> str:
    return f"a convolution takes {ratio:.2g} times as long as in fp32 on this CPU"

"""bf16 that is slower than fp32."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "train.precision: bf16 would be slower than fp32"
CAUSE = "this processor has no instructions for it, or PyTorch's kernels do not use them"
FIX = "train with train.precision: fp32, the default"

SLOWDOWN = 2.0
"""bf16 that takes more than this many times as long as fp32 is worth a warning."""


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
    evidence = f"a convolution takes {ratio:.2g} times as long as in fp32 on this CPU"
    # Nobody has asked for it yet: `bnexp train` warns if a config does.
    yield Finding("bf16", evidence, "note" if ratio > SLOWDOWN else "fine")

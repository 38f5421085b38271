"""A GPU that PyTorch cannot use."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "PyTorch is built for CUDA but finds no GPU"
CAUSE = (
    "there is no NVIDIA GPU, its driver is missing or older than this build of PyTorch, or "
    "CUDA_VISIBLE_DEVICES hides it; training then takes place on the CPU"
)
FIX = "if there is a GPU, check that nvidia-smi lists it, and update its driver"


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields the devices that `train.device` can name; one that a driver hides is a note."""
    facts = machine.torch.facts
    if not facts:
        return
    devices = [f"cuda:{index} {name}" for index, name in enumerate(facts["cuda"])]
    devices += ["mps"] * facts["mps"]
    cpu = f"cpu {machine.processor}".strip()
    if devices or not facts["cuda_build"]:
        yield Finding("device", ", ".join([*devices, cpu]), "fine")
    elif machine.has_nvidia_driver:
        yield Finding(
            "PyTorch cannot use the GPU",
            f"an NVIDIA driver is there, and PyTorch is built for CUDA {facts['cuda_build']}",
            "warning",
        )
    else:
        yield Finding("device", f"{cpu}; no GPU", "fine")

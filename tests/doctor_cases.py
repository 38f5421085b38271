"""For each check of the doctor, something that it must flag and a sound twin that it must not.

A case is the kind of subject, then the sick one and the sound one; or functions that make them.
"""

from dataclasses import replace
from pathlib import Path

from bnexp.doctor.machine_facts import DatasetState, Machine, Probe

SOUND_MACHINE = Machine(
    versions={"bnexp": "0.1.0", "python": "3.12.0", "scipy": "1.17.0", "setuptools": "84.0.0"},
    torch=Probe(
        facts={
            "version": "2.11.0+cpu",
            "cuda_build": None,
            "cuda": [],
            "mps": False,
            "threads": 2,
            "cuda_bf16": False,
            "bf16_slowdown": 0.6,
        }
    ),
    torchvision=Probe(facts={"version": "0.26.0+cpu"}),
    tensorboard=Probe(facts={"version": "2.21.0"}),
    cores=2,
    runs_dir=Path("runs"),
    processor="a CPU",
    available_memory=8 * 2**30,
    free_disk=50 * 2**30,
    datasets=(DatasetState("cifar10", "verified"),),
)


def machine(**changes):
    return replace(SOUND_MACHINE, **changes)


def with_torch(**facts):
    return machine(torch=Probe(facts={**SOUND_MACHINE.torch.facts, **facts}))


MISSING = Probe("ModuleNotFoundError: No module named 'torch'")

CASES = {
    "device": (
        "machine",
        replace(with_torch(cuda_build="13.0"), has_nvidia_driver=True),
        replace(with_torch(cuda_build="13.0", cuda=["H100"]), has_nvidia_driver=True),
    ),
    "datasets": (
        "machine",
        machine(datasets=(DatasetState("mnist", "damaged", "t10k: it has 3 bytes"),)),
        machine(datasets=(DatasetState("mnist", "missing"),)),
    ),
    "disk": ("machine", machine(free_disk=2**20), SOUND_MACHINE),
    "locks": ("machine", machine(lock_problem="no locks available"), SOUND_MACHINE),
    "memory": ("machine", machine(memory_limit=2**29), machine(memory_limit=2**33)),
    "packages": ("machine", machine(versions={"scipy": None}), SOUND_MACHINE),
    "tensorboard": (
        "machine",
        machine(tensorboard=Probe("ModuleNotFoundError: No module named 'pkg_resources'")),
        SOUND_MACHINE,
    ),
    "threads": ("machine", machine(cpu_limit=0.5), machine(cpu_limit=1.5)),
    "torch_import": ("machine", machine(torch=MISSING), SOUND_MACHINE),
    "torchvision_pair": (
        "machine",
        machine(torchvision=Probe(facts={"version": "0.25.0"})),
        SOUND_MACHINE,
    ),
}
"""By the check's name."""

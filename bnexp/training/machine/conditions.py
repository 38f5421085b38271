"""What the bits of a run depend on besides its config, so that a resume notices a change."""

from __future__ import annotations

import functools
import hashlib
import platform
from pathlib import Path

import torch

from bnexp.runs.environment import describe_processor
from bnexp.version import __version__

TRAINING_CODE = ("data", "diagnostics", "models", "norms", "training")
"""The packages whose source decides what a run computes; reports and commands do not."""


def describe_conditions(device: torch.device, dataset_fingerprint: str) -> dict[str, str | int]:
    """Returns versions, code, device, CPU threads and data, as they are now."""
    is_cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if is_cuda else describe_processor()
    conditions: dict[str, str | int] = {
        # A plain text, which `TorchVersion` is not: the checkpoint holds nothing else.
        "torch": str(torch.__version__),
        "bnexp": __version__,
        "training code": digest_code(Path(__file__).parents[2]),
        "device": f"{device.type} ({name}, {platform.machine()})",
        "dataset": dataset_fingerprint[:16],
    }
    if device.type == "cpu":
        conditions["threads"] = torch.get_num_threads()
    return conditions


@functools.cache
def digest_code(package: Path) -> str:
    """Returns a digest of the source that training runs on: equal code, equal digest."""
    digest = hashlib.sha256()
    sources = [path for part in TRAINING_CODE for path in package.glob(f"{part}/**/*.py")]
    for path in sorted([package / "seeding.py", *sources]):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]

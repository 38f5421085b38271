"""What there is on this machine, gathered without importing PyTorch into this process.

Libraries are imported by processes of their own: one that cannot be imported, or that crashes the
interpreter, is a fact like any other.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bnexp.data import DATASETS
from bnexp.data.published.base import PublishedConfig
from bnexp.errors import BnexpError, DataError
from bnexp.locks import hold_lock, is_held
from bnexp.parts import part_name
from bnexp.runs.environment import PACKAGES, describe_processor, find_version
from bnexp.system import (
    count_usable_cores,
    read_available_memory,
    read_cpu_limit,
    read_memory_limit,
    read_proc,
)
from bnexp.version import __version__

_SECONDS = 120
"""How long a library may take to import; cold, from a network disk, PyTorch takes a minute."""

_PROBES = {
    "torch": """
        import torch
        from bnexp.training.machine.precision import measure_bf16_slowdown
        has_cuda = torch.cuda.is_available()
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count() * has_cuda)]
        facts = {
            "version": str(torch.__version__),
            "cuda_build": torch.version.cuda,
            "cuda": names,
            "mps": torch.backends.mps.is_available(),
            "threads": torch.get_num_threads(),
            "cuda_bf16": bool(has_cuda and torch.cuda.is_bf16_supported()),
            "bf16_slowdown": measure_bf16_slowdown(),
        }
    """,
    "torchvision": """
        import torchvision
        from torchvision.ops import nms
        import torch
        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
        facts = {"version": str(torchvision.__version__)}
    """,
    "tensorboard": """
        import tensorboard.default, tensorboard.program
        tensorboard.default.get_plugins()
        from bnexp.runs.streams.tensorboard_events import encode_event_file, version_event
        encode_event_file([version_event(0.0)], 0.0)
        facts = {"version": tensorboard.__version__}
    """,
}
"""Code that uses a library a little and puts what it is into `facts`."""


@dataclass(frozen=True)
class Probe:
    """What a process that imported a library found."""

    problem: str | None = None
    """Why it cannot be used: the last line of the error; None if it can."""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetState:
    """A published dataset in the data folder."""

    name: str
    state: Literal["verified", "unpacked", "damaged", "missing"]
    detail: str = ""
    """What is damaged, or where it is."""


@dataclass(frozen=True)
class Machine:
    """What the checks of a machine look at; sizes in bytes."""

    versions: Mapping[str, str | None]
    """Of Python and of packages; None for one that is not installed."""
    torch: Probe
    torchvision: Probe
    tensorboard: Probe
    cores: int
    """That this process may use."""
    runs_dir: Path
    data_dir: str = ""
    processor: str = ""
    cpu_limit: float | None = None
    """Cores' worth of time that a container may use; None if it may use all."""
    omp_threads: str | None = None
    """`$OMP_NUM_THREADS`."""
    available_memory: int | None = None
    memory_limit: int | None = None
    """Of the container; None if it has none."""
    free_disk: int | None = None
    """Where the runs are; None if the system does not say."""
    write_problem: str | None = None
    """Why nothing can be written into the runs folder."""
    lock_problem: str | None = None
    """Why locks do not work there."""
    datasets: tuple[DatasetState, ...] = ()
    has_nvidia_driver: bool = False


def gather_machine(runs_dir: Path) -> Machine:
    """Returns what there is on this machine, for runs in that folder, which need not exist."""
    from bnexp.data.dataset import data_home

    started = {name: _start_probe(code) for name, code in _PROBES.items()}
    nearest = next(path for path in (runs_dir, *runs_dir.absolute().parents) if path.is_dir())
    write_problem, lock_problem = try_folder(nearest)
    names = (*PACKAGES, "setuptools", "protobuf", "matplotlib", "jinja2", "filelock")
    datasets = tuple(_inspect(member) for member in DATASETS if issubclass(member, PublishedConfig))
    probes = {name: _finish_probe(process) for name, process in started.items()}
    return Machine(
        versions={
            "bnexp": __version__,
            "python": platform.python_version(),
            **{name: find_version(name) for name in names},
        },
        cores=count_usable_cores(),
        runs_dir=runs_dir,
        data_dir=str(data_home()),
        processor=describe_processor(),
        cpu_limit=read_cpu_limit(),
        omp_threads=os.environ.get("OMP_NUM_THREADS"),
        available_memory=read_available_memory(),
        memory_limit=read_memory_limit(),
        free_disk=shutil.disk_usage(nearest).free,
        write_problem=write_problem,
        lock_problem=lock_problem,
        datasets=datasets,
        has_nvidia_driver=bool(read_proc("driver/nvidia/version")),
        **probes,
    )


def probe_code(code: str) -> Probe:
    """Returns what a process of its own finds that runs code which sets `facts`."""
    return _finish_probe(_start_probe(code))


def _start_probe(code: str) -> subprocess.Popen[str]:
    # -P: a file of the user's in this folder, e.g. torch.py, must not replace a module.
    home = str(Path(__file__).parents[3])
    whole = (
        f"import json, sys, textwrap\nsys.path.append({home!r})\n"
        f"exec(textwrap.dedent({code!r}))\nprint(json.dumps(facts))"
    )
    command = [sys.executable, "-P", "-c", whole]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    )


def _finish_probe(process: subprocess.Popen[str]) -> Probe:
    try:
        output, errors = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Probe(f"its import took more than {_SECONDS} s")
    if process.returncode < 0:
        return Probe(f"its import crashed Python (signal {-process.returncode})")
    if process.returncode:
        lines = [line for line in errors.splitlines() if line.strip()]
        return Probe(lines[-1] if lines else f"its import ended Python ({process.returncode})")
    return Probe(facts=json.loads(output.splitlines()[-1]))


def try_folder(folder: Path) -> tuple[str | None, str | None]:
    """Returns why a folder cannot be written, and why locks do not work there; None if they do."""
    try:
        with tempfile.TemporaryDirectory(prefix=".bnexp-doctor-", dir=folder) as name:
            path = Path(name, "lock")
            with hold_lock(path, lambda _: None):
                return None, None if is_held(path) else "two processes could hold one lock"
    except OSError as error:
        return error.strerror or str(error), None
    except BnexpError as error:
        return None, str(error)


def _inspect(member: type[PublishedConfig]) -> DatasetState:
    """Returns whether a dataset is there, every byte of it verified."""
    from bnexp.data.array_cache import read_arrays
    from bnexp.data.dataset import data_home
    from bnexp.data.published.store import cache_path, find_files, find_mismatch

    name, home = str(part_name(member)), data_home()
    source = member.model_validate({}).source
    files = find_files(source, home)
    try:
        for file, path in files.items():
            if mismatch := find_mismatch(path, file):
                return DatasetState(name, "damaged", f"{path}: {mismatch}")
        if read_arrays(cache_path(source, home), name) is not None or files:
            return DatasetState(name, "verified")
    except DataError as error:
        return DatasetState(name, "damaged", str(error))
    unpacked = source.find_extracted(home)
    return DatasetState(name, "unpacked" if unpacked else "missing", str(unpacked or ""))

"""Too little memory before anything is trained: one sentence, whatever the command."""

import subprocess
import sys

import pytest
from sweeps import plan

MEGABYTES = (70, *(pytest.param(number, marks=pytest.mark.slow) for number in (40, 150, 700)))
LIMITED = """
import resource, runpy, sys
limit = int(sys.argv[1]) << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.argv[:2] = ["bnexp"]
runpy.run_module("bnexp", run_name="__main__", alter_sys=False)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory")
@pytest.mark.parametrize("megabytes", MEGABYTES)
@pytest.mark.parametrize(
    "words",
    [("train", "c.yaml"), ("show", "c.yaml"), ("plan", "c.yaml"), ("compare", "many")],
    ids=lambda words: words[0],
)
def test_too_little_memory_is_one_sentence(words, megabytes, tmp_path):
    plan(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(megabytes), *words],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )

    said = done.stderr.splitlines()
    assert done.returncode in (0, 1, 2), done.stderr
    assert not [line for line in said if "Traceback" in line or "unexpected" in line], done.stderr
    if words[0] in ("train", "show"):
        assert done.returncode == 1
        assert "error: too little memory is left for this command" in said[-1]


AT_IMPORT = """
import resource, runpy, sys
from pathlib import Path
modules, megabytes = [sys.argv[1]], int(sys.argv[2])

def limit(event, arguments):
    if event == "import" and arguments[0] in modules:
        modules.clear()  # if its import fails, PyTorch may try it again
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

sys.addaudithook(limit)
sys.argv[:3] = ["bnexp"]
runpy.run_module("bnexp", run_name="__main__", alter_sys=False)
"""
LATER = ("pydantic", "torch.nn", "bnexp.data.shapes.drawing", "bnexp.models.network", "tensorboard",
         "filelock")  # fmt: skip
PHASES = [
    *((module, 0) for module in ("typer", "numpy", "torch")),
    *(
        pytest.param(module, megabytes, marks=pytest.mark.slow)
        for module in ("typer", "numpy", "torch", *LATER)
        for megabytes in (0, 1, 4, 16, 64)
    ),
]


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory")
@pytest.mark.parametrize(("module", "megabytes"), PHASES)
def test_memory_that_ends_while_a_module_is_imported_is_one_sentence(module, megabytes, tmp_path):
    plan(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, module, str(megabytes), "train", "c.yaml"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )

    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    said = (
        "too little memory is left for this command",
        ": out of memory; try",
        # C libraries that end the process themselves: glibc with 127, NumPy's OpenBLAS with 1.
        "cannot allocate memory for thread-local data: ABORT",
        "OpenBLAS error: Memory allocation still failed",
    )
    assert done.returncode in (1, 127) or (done.returncode == 0 and megabytes > 0), done.stderr
    assert done.returncode == 0 or any(words in done.stderr for words in said), done.stderr

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

"""Row 8 of the fault matrix: memory runs out, in a process whose memory is limited."""

import sys

import pytest
import yaml
from sweeps import plan

from bnexp.runs import read_run
from bnexp.runs.reading import read_status

LIMIT_MEMORY = """
import resource
from pathlib import Path
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 700_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""
REASON = "out of memory; try a smaller data.batch_size, fewer channels or fewer --jobs"

# What does not fit: 1.3 GB of weights; and a batch whose layers give 0.5 GB each.
TOO_LARGE = {
    "weights": ("model.layers: [[{conv: 6000}, {conv: 6000}], [{conv: 4}]]",),
    "batch": ("data.batch_size: [8000, 100]", "model.layers=[{conv: 16}, {pool: max, size: 16}]"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory")
@pytest.mark.parametrize("what", ["batch", pytest.param("weights", marks=pytest.mark.slow)])
def test_row_08_a_run_out_of_memory_says_what_to_change_and_the_sweep_goes_on(
    what, forks, tmp_path
):
    grid, *others = TOO_LARGE[what]
    settings = ("data.train_size=8000", f"sweep.grid={{{grid}}}", "train.log_every=100", *others)
    large, small = plan(tmp_path, *settings)
    words = [word for setting in settings for word in ("-s", setting)]

    done = forks.run("train", "c.yaml", *words, cwd=tmp_path, before=LIMIT_MEMORY)

    assert done.code == 1, done.said
    assert f"failed: {large.spec.cell} seed=0: {REASON} (see runs/" in done.said
    assert "1 failed, 1 finished" in done.said
    assert "Traceback" not in done.said
    assert read_status(large.folder.path)["reason"] == REASON
    assert read_run(small.folder.path).state == "finished"
    for run in (large, small):
        trained = yaml.safe_load(run.folder.config.read_text())
        assert trained["data"]["batch_size"] == run.spec.config.data.batch_size
    assert not large.folder.metrics.exists() or not large.folder.metrics.read_bytes()
    assert not large.folder.checkpoints.find()

"""What Windows lacks is missed by nothing: no POSIX name, no /proc, no UTF-8 by default."""

import os

import pytest
from one_process import start_one_process
from run_results import read_results
from sweeps import plan
from windows_like import TAKE_AWAY

from bnexp.runs import RunDir, read_run

# A comment and a name that cp1252 reads otherwise, or not at all.
NOTE = "# γ and β of the norms: ≤ 5 %, Ā\n"


@pytest.fixture
def bnexp(tmp_path):
    """Runs a command in a process without what Windows lacks, which goes on to the next."""
    (tmp_path / "sitecustomize.py").write_text(TAKE_AWAY, encoding="utf-8")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "cp1252",
    }
    with start_one_process(tmp_path, **environment) as process:
        yield process.run


def with_note(folder):
    config = folder / "c.yaml"
    config.write_text(NOTE + config.read_text("utf-8"), "utf-8")


def test_a_sweep_trains_in_two_processes_and_one_cut_off_continues_to_the_same_bits(
    bnexp, tmp_path
):
    settings = ("train.epochs=2", "sweep.grid={model.norm: [none, batch]}")
    runs = plan(tmp_path, *settings)
    with_note(tmp_path)
    words = [word for setting in settings for word in ("-s", setting)]

    bnexp("plan", "c.yaml")
    bnexp("train", "c.yaml", "--jobs", "2", *words)
    assert [read_run(run.folder.path).state for run in runs] == ["finished", "finished"]
    run, whole = runs[0], read_results(runs[0].folder.path)

    # As a kill between the last checkpoint and the summary leaves it.
    run.folder.summary.unlink()
    RunDir(run.folder.path, run.folder.identity).set_state("running")
    run.folder.checkpoints.discard(run.folder.checkpoints.newest)
    bnexp("train", "c.yaml", *words)
    bnexp("compare", "many")
    assert "continues after step" in run.folder.log.read_text("utf-8")
    assert read_results(run.folder.path) == whole

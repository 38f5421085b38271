"""A run whose status.json is torn or gone goes on to the same bits, and says what was lost."""

import pytest
from interrupted_runs import interrupt, plan, train
from run_results import read_results

from bnexp.runs import read_run


@pytest.mark.parametrize("is_torn", [True, False])
def test_a_run_without_a_status_goes_on_from_its_checkpoint(is_torn, bnexp, tmp_path):
    (tmp_path / "whole").mkdir()
    whole = plan(tmp_path / "whole")
    train(whole)
    run = interrupt(tmp_path, 8)
    status = run.folder.status
    if is_torn:
        status.write_bytes(status.read_bytes()[:40])
    else:
        status.unlink()

    listed = bnexp("ls", "small", cwd=tmp_path)
    done = bnexp("train", "c.yaml", "--resume-anyway", cwd=tmp_path)

    assert "interrupted" in listed.stdout
    assert str(status.relative_to(tmp_path)) in listed.stderr
    assert done.returncode == 0, done.stderr
    assert "the run is known by its config, and gets a new status" in done.stderr
    assert "goes on after step 8" in done.stderr
    assert read_results(run.folder.path) == read_results(whole.folder.path)
    assert read_run(run.folder.path).problems == ()

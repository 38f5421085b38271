"""Row 15 of the fault matrix: a run that was cut off meets another config, version or machine."""

import json

import pytest
import torch
from interrupted_runs import interrupt, plan, train

import bnexp
from bnexp.errors import UsageError
from bnexp.launch.prepare import check_conditions
from bnexp.launch.run import one_run
from bnexp.launch.run.resume import find_differences
from bnexp.runs import read_run
from bnexp.training.machine.conditions import describe_conditions, digest_code


def change_conditions(monkeypatch, **changes):
    def describe(device, dataset):
        return {**describe_conditions(device, dataset), **changes}

    monkeypatch.setattr(one_run, "describe_conditions", describe)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"torch": "1.0"}, f"torch is {torch.__version__} there and 1.0 here"),
        ({"bnexp": "9"}, f"bnexp is {bnexp.__version__} there and 9 here"),
        ({"training code": "0"}, "training code is "),
        ({"device": "cuda (H)"}, "there and cuda (H) here"),
        ({"threads": 3}, "threads is 1 there and 3 here"),
        ({"dataset": "0"}, "dataset is "),
    ],
)
def test_row_15_other_conditions_are_refused_with_both_ways_out(
    changes, said, tmp_path, monkeypatch
):
    run = interrupt(tmp_path, 3)
    before = {path: path.read_bytes() for path in run.folder.path.iterdir()}
    change_conditions(monkeypatch, **changes)

    with pytest.raises(UsageError) as caught:
        check_conditions([run])

    assert said in str(caught.value)
    assert "--force" in str(caught.value)
    assert "--resume-anyway" in str(caught.value)
    assert {path: path.read_bytes() for path in run.folder.path.iterdir()} == before


def test_row_15_going_on_anyway_is_recorded_with_what_differs(tmp_path, monkeypatch):
    interrupt(tmp_path, 3)
    change_conditions(monkeypatch, torch="1.0")
    run = plan(tmp_path, may_differ=True)
    check_conditions([run])

    # Stopped again: the next attempt meets the conditions that it was last saved under.
    assert train(run, 4)[0] == "interrupted"
    assert train(plan(tmp_path))[0] == "finished"

    resumes = json.loads(run.folder.environment.read_text())["resumes"]
    expected = [f"torch is {torch.__version__} there and 1.0 here"]
    assert [resume["differences"] for resume in resumes] == [expected, []]
    assert [resume["step"] for resume in resumes] == [3, 5]
    assert read_run(run.folder.path).state == "finished"


def test_row_15_the_command_refuses_another_thread_count_and_takes_the_flag(forks, tmp_path):
    free = ("train.threads=null",)
    run = interrupt(tmp_path, 3, *free)
    threads = read_run(run.folder.path).environment["threads"]
    another = 1 if threads > 1 else 2  # PyTorch takes no more than there are cores
    before = f"from bnexp.training.machine import device; device.DEFAULT_THREADS = {another}"
    command = ("train", "c.yaml", "-s", *free)

    refused = forks.run(*command, cwd=tmp_path, before=before)
    assert refused.code == 2
    assert f"threads is {threads} there and {another} here" in refused.said
    assert read_run(run.folder.path).state == "interrupted"

    done = forks.run(*command, "--resume-anyway", cwd=tmp_path, before=before)
    assert done.code == 0, done.said
    assert "continues after step 3" in done.said


def test_row_15_the_command_refuses_another_config_key_by_key_until_it_is_forced(forks, tmp_path):
    run = interrupt(tmp_path, 3)
    before = {path: path.read_bytes() for path in run.folder.path.iterdir()}
    other = ("train", "c.yaml", "-s", "train.epochs=2", "-s", "data.batch_size=10")
    said = "data.batch_size is 20 there and 10 here, train.epochs is 3 there and 2 here."

    for option in ((), ("--resume-anyway",)):
        refused = forks.run(*other, *option, cwd=tmp_path)
        assert refused.code == 2
        assert f"seed=0 holds a run with another config: {said}" in refused.said
        assert "--force" in refused.said
        assert {path: path.read_bytes() for path in run.folder.path.iterdir()} == before
    forced = forks.run(*other, "--force", cwd=tmp_path)

    assert forced.code == 0, forced.said
    record = read_run(run.folder.path)
    assert (record.state, record.summary.epochs, record.summary.steps) == ("finished", 2, 20)
    assert record.config["data.batch_size"] == 10
    environment = json.loads(run.folder.environment.read_text())
    assert "resumes" not in environment
    assert "--force" in environment["command"]


def test_a_forced_run_starts_over_whatever_its_checkpoint_says(tmp_path, monkeypatch):
    interrupt(tmp_path, 3)
    change_conditions(monkeypatch, torch="1.0")
    run = plan(tmp_path, is_forced=True)
    check_conditions([run])

    assert train(run)[0] == "finished"
    assert "resumes" not in json.loads(run.folder.environment.read_text())


def test_a_retry_keeps_the_log_of_the_failure_until_it_is_forced(tmp_path, monkeypatch):
    run = plan(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("bnexp.launch.run.one_run.build_parts", lambda *_: 1 / 0)
        assert train(run)[0] == "failed"

    assert train(plan(tmp_path))[0] == "finished"
    log = run.folder.log.read_text()
    assert log.index("ZeroDivisionError") < log.index("starting over: there is no checkpoint\n")

    assert train(plan(tmp_path, is_forced=True))[0] == "finished"
    log = run.folder.log.read_text()
    assert "ZeroDivisionError" not in log
    assert "starting over" not in log


def test_a_failed_run_goes_on_where_it_was_saved(tmp_path):
    run = interrupt(tmp_path, 3)
    run.folder.reopen()
    run.folder.set_state("failed", reason="out of memory")

    state, said = train(plan(tmp_path))

    assert state == "finished"
    assert any(line.startswith("continues after step 3") for line in said)


def test_a_failure_before_the_run_goes_on_leaves_its_status_as_it_was(tmp_path, monkeypatch):
    run = interrupt(tmp_path, 3)
    before = run.folder.status.read_bytes()

    def lose_device(name):
        raise UsageError("the device is gone")

    with monkeypatch.context() as patch:
        patch.setattr(one_run, "resolve_device", lose_device)
        assert train(run)[0] == "failed"

    assert run.folder.status.read_bytes() == before
    assert train(plan(tmp_path))[0] == "finished"


def test_the_code_that_trains_has_a_digest_of_its_own(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "seeding.py").write_text("")
    (tmp_path / "training" / "loop.py").write_text("step = 1\n")
    before = digest_code.__wrapped__(tmp_path)

    (tmp_path / "reports.py").write_text("changed = True\n")
    assert digest_code.__wrapped__(tmp_path) == before
    (tmp_path / "training" / "loop.py").write_text("step = 2\n")
    assert digest_code.__wrapped__(tmp_path) != before


def test_only_what_differs_is_named():
    assert find_differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == [
        "b is 2 there and 3 here",
        "c is not set there and 4 here",
    ]

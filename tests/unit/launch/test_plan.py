"""What is decided for each run before anything is written."""

import json
import os
import pickle
import shutil
import subprocess
import sys

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import UsageError
from bnexp.launch.claims import note_planned_claims
from bnexp.launch.notices import describe_late_claims, describe_strays, heal_ended
from bnexp.launch.plan import plan_runs
from bnexp.launch.resolved_config import hyperparameters, repeatable_config, resolved_config
from bnexp.locks import hold_lock
from bnexp.runs import RunDir, Summary
from bnexp.runs.reading import read_status

CONFIG = """\
name: exp
data: {name: cifar10}
model:
  name: cnn
  layers: [{conv: 8}, {pool: avg, size: 4}, {conv: 16, norm: none}]
sweep: {seeds: 2}
"""


@pytest.fixture
def experiment(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    return load_experiment(tmp_path / "c.yaml")


def plan(experiment, tmp_path, is_forced=False):
    return plan_runs(experiment, tmp_path / "runs", is_forced)


def create(run, state, **status):
    run.folder.create("", {"config": resolved_config(run.spec)})
    run.folder.set_state(state)
    content = json.loads(run.folder.status.read_text())
    run.folder.status.write_text(json.dumps({**content, **status}))


def finish(run):
    create(run, "running")
    epochs = run.spec.config.train.epochs
    run.folder.write_summary(
        Summary("finished", epochs, epochs, 1.0, 1.0, 1, 1, final={}, best={}, history={})
    )


def test_a_new_run_is_trained(experiment, tmp_path):
    assert [run.action for run in plan(experiment, tmp_path)] == ["train", "train"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("state", ["interrupted", "failed"])
def test_a_run_that_was_begun_is_trained_again(state, experiment, tmp_path):
    create(plan(experiment, tmp_path)[0], state)

    assert [run.action for run in plan(experiment, tmp_path)] == ["retry", "train"]


@pytest.mark.parametrize("state", ["interrupted", "failed", "running"])
def test_a_run_that_was_begun_and_saved_goes_on(state, experiment, tmp_path):
    run = plan(experiment, tmp_path)[0]
    create(run, state)
    run.folder.checkpoints.save(b"content", b"{}")

    assert [run.action for run in plan(experiment, tmp_path)] == ["resume", "train"]
    forced = plan(experiment, tmp_path, is_forced=True)
    assert [run.action for run in forced] == ["train", "train"]


def test_how_often_a_run_is_saved_can_change_while_it_is_under_way(experiment, tmp_path):
    create(plan(experiment, tmp_path)[0], "interrupted")
    other = load_experiment(tmp_path / "c.yaml", ["train.checkpoint_every=7"])

    assert [run.action for run in plan(other, tmp_path)] == ["retry", "train"]


def test_a_planned_run_can_be_sent_to_another_process(experiment, tmp_path):
    run = plan(experiment, tmp_path)[0]

    again = pickle.loads(pickle.dumps(run))

    assert (again.spec, again.folder.identity, again.folder.path) == (
        run.spec,
        run.folder.identity,
        run.folder.path,
    )


def test_a_finished_run_is_skipped_and_with_force_trained(experiment, tmp_path):
    finish(plan(experiment, tmp_path)[0])

    assert [run.action for run in plan(experiment, tmp_path)] == ["skip", "train"]
    assert [run.action for run in plan(experiment, tmp_path, is_forced=True)] == ["train", "train"]


def test_a_run_that_another_process_holds_is_left_alone_even_with_force(experiment, tmp_path):
    run = plan(experiment, tmp_path)[0]
    create(run, "running")

    with hold_lock(run.folder.lock, pytest.fail):
        for is_forced in (False, True):
            with pytest.raises(UsageError, match=f"by process {os.getpid()} on .* right now"):
                plan(experiment, tmp_path, is_forced)
    assert plan(experiment, tmp_path)[0].action == "retry"


def test_a_lock_of_a_process_that_is_no_more_holds_nobody_up(experiment, tmp_path):
    run = plan(experiment, tmp_path)[0]
    create(run, "running")
    code = (
        "import os, pathlib, sys\n"
        "from bnexp.locks import hold_lock\n"
        "with hold_lock(pathlib.Path(sys.argv[1]), print):\n"
        "    os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(run.folder.lock)], check=True)

    assert run.folder.lock.exists()
    assert plan(experiment, tmp_path)[0].action == "retry"


def test_a_folder_that_was_cut_off_at_its_birth_is_begun_anew(experiment, tmp_path):
    run = plan(experiment, tmp_path)[0]
    run.folder.path.mkdir(parents=True)
    assert plan(experiment, tmp_path)[0].action == "train"

    run.folder.create("", {})
    run.folder.environment.unlink()
    run.folder.config.unlink()
    assert plan(experiment, tmp_path)[0].action == "train"


@pytest.mark.parametrize("name", ["status.json", "config.yaml"])
def test_a_folder_that_does_not_say_its_config_is_never_taken_for_this_one(
    name, experiment, tmp_path
):
    run = plan(experiment, tmp_path)[0]
    create(run, "interrupted", fingerprint="0" * 64)
    (run.folder.path / name).write_text("{damaged")
    run.folder.environment.write_text("{damaged")

    with pytest.raises(UsageError, match=r"whose config cannot be read \(.*"):
        plan(experiment, tmp_path)


@pytest.mark.parametrize("content", ["", "{damaged", "{}", '{"state": "interrupted"}', "[1]"])
def test_a_run_that_lost_its_status_is_known_by_the_config_it_recorded(
    content, experiment, tmp_path
):
    run = plan(experiment, tmp_path)[0]
    create(run, "interrupted")
    run.folder.checkpoints.save(b"content", b"{}")
    run.folder.status.write_text(content)

    again = plan(experiment, tmp_path)[0]

    assert again.action == "resume"
    assert str(run.folder.path) in again.damage
    other = load_experiment(tmp_path / "c.yaml", ["model.dropout=0.5"])
    with pytest.raises(UsageError, match=r"model.dropout is 0.0 there and 0.5 here"):
        plan(other, tmp_path)


def test_an_ended_run_that_lost_its_status_is_skipped_and_gets_a_new_one(experiment, tmp_path):
    first = plan(experiment, tmp_path)[0]
    finish(first)
    before = read_status(first.folder.path)
    first.folder.status.unlink()

    planned = plan(experiment, tmp_path)
    assert list(heal_ended(planned)) == []

    assert planned[0].action == "skip"
    assert f"{first.folder.status} is missing" in planned[0].damage
    after = read_status(first.folder.path)
    assert {**after, "heartbeat": 0} == {**before, "heartbeat": 0}
    assert plan(experiment, tmp_path)[0].damage is None


def test_runs_that_the_config_does_not_ask_for_are_named(experiment, tmp_path):
    for run in plan(experiment, tmp_path):
        finish(run)
    assert describe_strays(plan(experiment, tmp_path)) is None

    other = load_experiment(tmp_path / "c.yaml", ["sweep.seeds=[1, 2]"])

    folder = tmp_path / "runs/exp"
    assert describe_strays(plan(other, tmp_path)) == (
        f"{folder} also holds 1 run not in this config (base/seed=0); "
        "bnexp compare includes them, bnexp rm deletes them"
    )


def test_a_run_can_be_asked_for_with_other_threads(experiment, tmp_path):
    first, second = plan(experiment, tmp_path)
    finish(first)
    create(second, "interrupted")
    second.folder.checkpoints.save(b"content", b"{}")
    other = load_experiment(tmp_path / "c.yaml", ["train.threads=3"])

    # Whether the second goes on then is decided by the conditions in its checkpoint.
    assert [run.action for run in plan(other, tmp_path)] == ["skip", "resume"]


def test_the_difference_is_told_key_by_key(experiment, tmp_path):
    create(plan(experiment, tmp_path)[0], "interrupted")
    other = load_experiment(tmp_path / "c.yaml", ["model.dropout=0.5", "data.batch_size=8"])

    with pytest.raises(UsageError) as caught:
        plan(other, tmp_path)

    assert (
        "another config: data.batch_size is 128 there and 8 here, model.dropout is 0.0 there "
        "and 0.5 here. Give this experiment another name (-s name=…)"
    ) in str(caught.value)


def test_a_symbolic_link_in_place_of_a_run_is_refused(experiment, tmp_path):
    run = plan(experiment, tmp_path)[0].folder.path
    for folder in (run, run.parent, run.parent.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(tmp_path)
        with pytest.raises(UsageError, match="is a link or a file; move it away"):
            plan(experiment, tmp_path)
        shutil.rmtree(tmp_path / "runs") if folder != run.parent.parent else folder.unlink()


def test_a_file_in_place_of_a_run_is_refused(experiment, tmp_path):
    run = plan(experiment, tmp_path)[0].folder.path
    run.parent.mkdir(parents=True)
    run.write_text("mine")

    with pytest.raises(UsageError, match="is a link or a file; move it away"):
        plan(experiment, tmp_path)


def test_a_resolved_config_has_a_name_of_its_own_where_it_is_one_cell_of_several(tmp_path):
    (tmp_path / "c.yaml").write_text(
        CONFIG.replace("{seeds: 2}", "{grid: {model.norm.name: [none, batch]}}")
    )
    runs = load_experiment(tmp_path / "c.yaml").runs

    assert [repeatable_config(run)["name"] for run in runs] == [
        "exp-norm-none-seed-0",
        "exp-norm-batch-seed-0",
    ]
    alone = load_experiment(tmp_path / "c.yaml", ["sweep=null"]).runs[0]
    assert repeatable_config(alone)["name"] == "exp"


def test_hyper_parameters_hold_every_setting_flat_and_no_seed(experiment):
    flat = hyperparameters(experiment.runs[0].config)

    assert flat["model.layers"] == "conv=8 pool=avg,size=4 conv=16,norm=none"
    assert flat["optim.schedule.warmup_epochs"] == 1.0
    assert flat["model.norm.name"] == "batch"
    assert not {"name", "train.seed"} & set(flat)


def test_a_run_folder_of_another_run_is_another(experiment, tmp_path):
    first, second = plan(experiment, tmp_path)

    assert isinstance(first.folder, RunDir)
    assert first.folder.path != second.folder.path


CLAIM = """\
claim:
  statement: batch norm is better
  source: a paper
  treatment: {model.norm.name: batch}
  control: {model.norm.name: none}
  direction: higher
  margin: 0.01
"""


def test_runs_that_had_results_before_a_claim_was_seen_are_told(tmp_path):
    swept = CONFIG.replace("{seeds: 2}", "{seeds: 2, grid: {model.norm.name: [none, batch]}}")
    path = tmp_path / "c.yaml"
    path.write_text(swept)
    first, *_ = plan(load_experiment(path), tmp_path)
    finish(first)
    without = describe_late_claims(plan(load_experiment(path), tmp_path))

    path.write_text(swept + CLAIM)
    planned = plan(load_experiment(path), tmp_path)
    note_planned_claims(planned)
    for run in planned[1:]:
        finish(run)
    late = describe_late_claims(plan(load_experiment(path), tmp_path))
    finish(planned[0])

    assert without is None
    assert late.startswith("1 of 4 runs had results before the claims as they now stand")
    assert describe_late_claims(plan(load_experiment(path), tmp_path)) == late, "as by --force"


def test_claims_that_are_known_with_other_seeds_are_late_too(tmp_path):
    swept = CONFIG.replace("{seeds: 2}", "{seeds: 2, grid: {model.norm.name: [none, batch]}}")
    path = tmp_path / "c.yaml"
    path.write_text(swept + CLAIM)
    planned = plan(load_experiment(path), tmp_path)
    note_planned_claims(planned)
    for run in planned:
        finish(run)
    as_planned = describe_late_claims(plan(load_experiment(path), tmp_path))

    more = plan(load_experiment(path, ["sweep.seeds=3"]), tmp_path)

    assert as_planned is None
    assert describe_late_claims(more).startswith("4 of 6 runs had results before")

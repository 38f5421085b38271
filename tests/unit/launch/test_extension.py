"""Runs that go on from finished, shorter ones."""

import json
import shutil
from dataclasses import replace

import pytest
from run_results import read_results
from sweeps import train

from bnexp.config.load import load_experiment
from bnexp.errors import UsageError
from bnexp.launch.claims import note_planned_claims
from bnexp.launch.extension import as_extension, find_source
from bnexp.launch.notices import describe_late_claims, describe_sources
from bnexp.launch.plan import plan_runs
from bnexp.launch.prepare import check_conditions
from bnexp.launch.run.pack import train_one
from bnexp.runs import Summary, read_run
from bnexp.runs.record import list_evaluated_steps
from bnexp.runs.seal import Seal

CONFIG = """\
name: x
data: {name: shapes, train_size: 60, val_size: 20, test_size: 40, batch_size: 20}
model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 4}], norm: {name: batch_renorm}}
optim: {name: sgd, learning_rate: 0.05, schedule: {name: constant, warmup_epochs: 0.5}}
train: {epochs: 2, device: cpu, threads: 1, log_every: 2}
evaluate: {every_steps: 2}
"""
STEPS_PER_EPOCH = 3


def plan(folder, *overrides, extend=False, **options):
    folder.mkdir(exist_ok=True)
    (folder / "c.yaml").write_text(CONFIG)
    experiment = load_experiment(folder / "c.yaml", overrides)
    experiment = as_extension(experiment) if extend else experiment
    return plan_runs(experiment, folder / "runs", options.pop("is_forced", False), **options)


def extend(folder, *overrides, **options):
    return plan(folder, *overrides, extend=True, **options)


def finish(run):
    """Leaves what a finished run leaves, but for what it measured."""
    epochs = run.spec.config.train.epochs
    config = run.spec.config.model_dump(mode="json", exclude={"sweep"})
    run.folder.create("", {"config": config})
    run.folder.checkpoints.save(b"tensors", b"{}")
    figures = {"final": {}, "best": {}, "history": {}, "steps_per_epoch": STEPS_PER_EPOCH}
    figures["evaluated_steps"] = list_evaluated_steps(2, STEPS_PER_EPOCH, epochs)
    steps = epochs * STEPS_PER_EPOCH
    run.folder.write_summary(Summary("finished", epochs, steps, 1.0, 1.0, 1, 1, **figures))


def refuse(folder, *overrides):
    with pytest.raises(UsageError) as caught:
        extend(folder, *overrides)
    return str(caught.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    assert train(plan(folder)) == {"finished": 1}
    return folder


@pytest.fixture
def source(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs/x/base/seed=0"


def check_extension(folder, state, *overrides):
    """Checks an extension to three epochs against a run of three, and returns its folder."""
    (run,) = extend(folder, "train.epochs=3", *overrides)
    assert run.action == "extend"
    train([run])
    (whole,) = plan(folder / "whole", "train.epochs=3", "name=x.3_epochs", *overrides)
    train([whole])
    assert read_run(run.folder.path).state == state
    assert not [*Seal(run.folder.path).find_broken()]
    assert read_results(run.folder.path) == read_results(whole.folder.path)
    return run.folder


def test_an_extended_run_has_the_bits_of_one_that_was_trained_in_one_go(source):
    before = {path.name: path.read_bytes() for path in source.iterdir()}

    folder = check_extension(source.parents[3], "finished")

    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    extends = json.loads(folder.environment.read_text())["extends"]
    checkpoint = Seal(source).digest_of("checkpoint.pt")
    assert (extends["run"], extends["epochs"]) == (str(source), 2)
    assert extends["fingerprint"] == read_run(source).fingerprint
    assert extends["checkpoint_sha256"] == checkpoint


def test_a_run_evaluated_only_at_its_end_is_extended_to_one_evaluated_at_its_own(tmp_path):
    overrides = ("evaluate.every_steps=null", "evaluate.after=last_epoch")
    train(plan(tmp_path, *overrides))

    folder = check_extension(tmp_path, "finished", *overrides)

    summary = read_run(folder.path).summary
    assert summary.final.keys() - summary.history.keys() == {
        f"{images}/{figure}"
        for images in ("val", "test", "train_eval")
        for figure in ("loss", "accuracy")
    }


def test_a_diverged_run_is_extended_to_one_that_diverges_at_the_same_step(tmp_path):
    overrides = ("optim.learning_rate=100", "train.divergence_loss=20")
    train(plan(tmp_path, *overrides))

    check_extension(tmp_path, "diverged", *overrides)


def test_an_extension_is_extended_again(source):
    folder = source.parents[3]
    train(extend(folder, "train.epochs=3"))

    (run,) = extend(folder, "train.epochs=4")
    (again,) = extend(folder, "train.epochs=4", "name=x.3_epochs")

    assert describe_sources([run]) == "from epoch 3 of x.3_epochs: 1 run"
    assert run.folder.path == again.folder.path == folder / "runs/x.4_epochs/base/seed=0"


def test_an_extended_run_that_is_cut_off_continues_from_its_own_checkpoint(source):
    folder = source.parents[3]
    (run,) = extend(folder, "train.epochs=3")
    asked = iter(range(100))
    state = train_one(run, 0, lambda: next(asked) > 0, lambda event: None)
    shutil.rmtree(source)  # it is not needed any more

    (again,) = extend(folder, "train.epochs=3")
    assert (state, again.action, again.source) == ("interrupted", "resume", None)
    train([again])
    assert read_run(run.folder.path).state == "finished"
    assert "extends" in json.loads(run.folder.environment.read_text())


def test_it_starts_under_the_conditions_of_the_shorter_run_or_not_at_all(source):
    (run,) = extend(source.parents[3], "train.epochs=3", "train.threads=2")

    with pytest.raises(UsageError, match="was trained under other conditions: threads is 1 there"):
        check_conditions([run])
    (anyway,) = extend(source.parents[3], "train.epochs=3", "train.threads=2", may_differ=True)
    check_conditions([anyway])


def test_a_file_that_is_not_what_the_run_wrote_is_noticed(source):
    rows = source / "metrics.jsonl"
    rows.write_text(rows.read_text().replace("0.", "1.", 1))

    assert "metrics.jsonl is not what the run wrote" in refuse(source.parents[3], "train.epochs=3")


def test_a_file_that_changes_after_the_plan_is_noticed_too(source):
    (run,) = extend(source.parents[3], "train.epochs=3")
    (source / "checkpoint.pt").write_bytes(b"other")

    assert train([run]) == {"failed": 1}
    assert "checkpoint.pt is not what the run wrote" in run.folder.log.read_text()


def test_runs_without_a_finished_one_start_at_the_beginning(tmp_path):
    finish(plan(tmp_path)[0])

    planned = extend(tmp_path, "train.epochs=4", "sweep.seeds=3")

    assert [run.action for run in planned] == ["extend", "train", "train"]
    assert [run.epochs_left for run in planned] == [2, 4, 4]
    assert describe_sources(planned) == (
        "from epoch 2 of x: 1 run; from the start, with the same results, because x has no such "
        "finished run: 2 runs"
    )


def test_a_run_of_other_tuned_values_starts_at_the_beginning(tmp_path):
    finish(plan(tmp_path)[0])
    (tmp_path / "c.yaml").write_text(CONFIG)
    overrides = ("train.epochs=4", "optim.learning_rate=0.1")
    experiment = as_extension(load_experiment(tmp_path / "c.yaml", overrides))
    spec = experiment.runs[0]

    with pytest.raises(UsageError, match=r"learning_rate is 0\.05 there"):
        find_source(spec, tmp_path / "runs", [spec.extends])
    tuned = replace(spec, tuning={"chosen": {"optim.learning_rate": 0.1}})
    assert find_source(tuned, tmp_path / "runs", [spec.extends]) is None


def test_what_is_extended_already_is_left_alone(tmp_path):
    finish(plan(tmp_path)[0])
    finish(extend(tmp_path, "train.epochs=4")[0])

    (run,) = extend(tmp_path, "train.epochs=4")

    assert (run.action, describe_sources([run])) == ("skip", None)
    assert extend(tmp_path, "train.epochs=4", is_forced=True)[0].action == "extend"


def test_without_any_finished_run_nothing_is_extended(tmp_path):
    assert "there is no finished run of 'x'" in refuse(tmp_path, "train.epochs=4")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ((), "has 2 epochs already; ask for more, e.g. -s train.epochs=7"),
        (("train.epochs=1", "optim.schedule.warmup_epochs=0"), "has 2 epochs already"),
        (
            ("train.epochs=4", "optim.learning_rate=0.1"),
            "may differ from {run}, but optim.learning_rate is 0.05 there and 0.1 here",
        ),
        (
            ("train.epochs=4", "optim.schedule={name: cosine, warmup_epochs: 0.5}"),
            "the schedule 'cosine' gives other learning rates to the 2 that it has: 0.0487764",
        ),
        (("train.epochs=4", "optim.schedule.warmup_epochs=1"), "'constant' gives other learning"),
        (("sweep.zip={train.epochs: [4, 5]}",), "different numbers of epochs, 4, 5"),
        (("train.epochs=4", f"name={'y' * 75}"), "is longer than 80 characters"),
    ],
)
def test_it_says_why_a_run_cannot_go_on(overrides, problem, tmp_path):
    run = plan(tmp_path)[0]
    finish(run)

    assert problem.format(run=run.folder.path) in refuse(tmp_path, *overrides)


STEP = "optim.schedule={name: step, milestones: [0.5, 0.7]}"


def test_drops_can_be_kept_where_they_were(tmp_path):
    finish(plan(tmp_path, STEP, "train.epochs=10")[0])

    said = refuse(tmp_path, STEP, "train.epochs=15")

    kept = said.rpartition("-s ")[2]
    assert kept == "optim.schedule.milestones=[0.333333,0.466666]"
    assert extend(tmp_path, STEP, kept, "train.epochs=15")[0].action == "extend"


def test_a_drop_can_come_after_the_end_of_the_shorter_run(tmp_path):
    finish(plan(tmp_path)[0])
    later = "optim.schedule={name: step, milestones: [0.5], warmup_epochs: 0.5}"

    assert extend(tmp_path, later, "train.epochs=4")[0].action == "extend"


def test_the_refusal_of_a_longer_run_points_to_it(tmp_path):
    finish(plan(tmp_path)[0])

    with pytest.raises(UsageError, match="Go on from its last checkpoint with --extend"):
        plan(tmp_path, "train.epochs=4")
    with pytest.raises(UsageError, match=r"here\. Give this experiment another name"):
        plan(tmp_path, "train.epochs=1", "optim.schedule.warmup_epochs=0")


def test_the_refusal_of_a_longer_run_does_not_point_to_what_is_refused(tmp_path):
    cosine = "optim.schedule={name: cosine, warmup_epochs: 0}"
    finish(plan(tmp_path, cosine)[0])

    with pytest.raises(UsageError, match=r"cannot go on to 4 epochs, since the schedule 'cosine'"):
        plan(tmp_path, cosine, "train.epochs=4")


CLAIMED = (
    "sweep={seeds: 3, grid: {model.norm.name: [batch, none]}}",
    "claim={statement: s, source: t, treatment: {model.norm.name: batch}, control: "
    "{model.norm.name: none}, direction: higher, margin: 0.01}",
)


def list_standing(runs):
    """Returns for each run the claims that stood before its results."""
    return [read_run(run.folder.path).claims_on_record for run in runs]


def test_claims_about_runs_that_were_trained_on_do_not_stand_before_their_results(tmp_path):
    short = plan(tmp_path, *CLAIMED)
    note_planned_claims(short)
    for run in short[1:]:  # one is missing
        finish(run)
    longer = extend(tmp_path, *CLAIMED, "train.epochs=4")
    assert "the results of x, which these runs extend, are known" in describe_late_claims(longer)

    note_planned_claims(longer)
    for run in longer:
        finish(run)

    assert all(list_standing(short[1:]))
    assert longer[0].is_fresh
    assert list_standing(longer) == [frozenset()] * 6
    # Nor if the same are trained again, from the start.
    note_planned_claims(plan(tmp_path, *CLAIMED, "train.epochs=4", "name=y"))
    assert list_standing(longer) == [frozenset()] * 6

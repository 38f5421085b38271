"""Tuning chooses each cell's values before its measured runs, and never touches these again."""

import io
import json
import shutil
from dataclasses import replace

import pytest
from rich.console import Console
from sweeps import CONFIG, read_runs

from bnexp.analysis.claims.looks import ClaimProgress
from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.differences.tuning import find_tuned_keys, read_tuning
from bnexp.config.load import load_experiment
from bnexp.errors import UsageError
from bnexp.launch.options import LaunchOptions
from bnexp.launch.stages.durations import describe_durations
from bnexp.launch.stages.experiment import train_stages
from bnexp.launch.stages.stages import find_stages, plan_experiment
from bnexp.launch.stages.tuning import choose_values, describe_choices
from bnexp.reports.markdown import render_markdown
from bnexp.runs import Summary, read_experiments, read_run
from bnexp.runs.removal import plan_removal, remove

SWEEP = """\
sweep:
  seeds: 2
  grid: {model.norm.name: [none, batch]}
  tune: {over: {optim.learning_rate: [0.01, 0.1, 0.3]}, by: BY, seeds: [100, 101]IN}
"""
TINY = CONFIG.replace("val_size: 0", "val_size: 40").replace(", checkpoint_every: 1", "")


def text(by="val/accuracy", arm="", values=None):
    sweep = SWEEP.replace("BY", by).replace("IN", arm and f", in: {arm}")
    return TINY + (sweep.replace("[0.01, 0.1, 0.3]", values) if values else sweep)


@pytest.fixture
def load(tmp_path):
    def load(config):
        (tmp_path / "c.yaml").write_text(config)
        return load_experiment(tmp_path / "c.yaml")

    return load


@pytest.fixture
def choose(load, tmp_path):
    """Chooses values after tuning runs that came to these figures; None is a diverged run."""

    def choose(config, figures):
        experiment = load(config)
        by = experiment.tuning.config.by
        planned = plan_experiment(experiment, tmp_path / "runs", is_forced=False).tuning
        for run in planned:
            figure = figures[run.spec.tunes][run.spec.config.optim.learning_rate][
                run.spec.seed - 100
            ]
            final = {} if figure is None else {by: figure}
            history = {tag: (value,) for tag, value in final.items()}
            state = "diverged" if figure is None else "finished"
            run.folder.create("", {})
            run.folder.write_summary(
                Summary(
                    state, len(history), 9, 1.0, 1.0, 1, 1, final=final, best={}, history=history
                )
            )
        chosen = choose_values(experiment, experiment.tuning, planned)
        return {run.cell: run for run in chosen.runs}

    return choose


def rates(runs):
    return {cell: run.config.optim.learning_rate for cell, run in runs.items()}


NONE = {0.01: (0.5, 0.5), 0.1: (0.6, 0.8), 0.3: (0.9, 0.3)}
BATCH = {0.01: (0.1, 0.2), 0.1: (0.3, 0.3), 0.3: (0.4, 0.3)}
FIGURES = {"norm=none": NONE, "norm=batch": BATCH}


def test_each_cell_takes_the_value_with_the_best_mean(choose):
    chosen = choose(text(), FIGURES)

    assert rates(chosen) == {"norm=none": 0.1, "norm=batch": 0.3}
    record = chosen["norm=batch"].tuning
    assert record["chosen"] == {"optim.learning_rate": 0.3}
    assert record["at_edge"] == ["optim.learning_rate"]
    assert chosen["norm=none"].tuning["at_edge"] == []
    assert record["arm"] is None
    assert record["over"] == {"optim.learning_rate": [0.01, 0.1, 0.3]}
    assert (record["by"], record["seeds"]) == ("val/accuracy", [100, 101])
    assert record["scores"][1] == {
        "values": {"optim.learning_rate": 0.1},
        "mean": pytest.approx(0.3),
        "n": 2,
        "diverged": 0,
    }


def test_of_losses_the_smallest_is_best(choose):
    assert rates(choose(text("val/loss"), FIGURES)) == {"norm=none": 0.01, "norm=batch": 0.01}


def test_of_equal_values_the_smaller_one_is_taken(choose):
    same = dict.fromkeys((0.01, 0.1, 0.3), (0.5, 0.5))
    figures = {"norm=none": same, "norm=batch": {**same, 0.01: (0.1, 0.1)}}

    chosen = choose(text(values="[0.3, 0.1, 0.01]"), figures)

    assert rates(chosen) == {"norm=none": 0.01, "norm=batch": 0.1}


def test_a_value_at_which_a_run_diverged_is_worse_than_any_other(choose):
    figures = {
        "norm=none": {**NONE, 0.1: (None, 0.99)},
        "norm=batch": {0.01: (None, None), 0.1: (0.9, None), 0.3: (None, None)},
    }
    chosen = choose(text(), figures)

    assert rates(chosen) == {"norm=none": 0.3, "norm=batch": 0.1}
    assert [one["diverged"] for one in chosen["norm=batch"].tuning["scores"]] == [2, 1, 2]
    assert chosen["norm=batch"].tuning["scores"][0]["mean"] is None


def test_what_is_best_in_an_arm_is_used_for_all(choose):
    chosen = choose(text(arm="{model.norm.name: none}"), FIGURES)

    assert rates(chosen) == {"norm=none": 0.1, "norm=batch": 0.1}
    assert chosen["norm=batch"].tuning["arm"] == {"model.norm.name": "none"}


def test_an_arm_of_several_cells_is_tuned_as_one(choose):
    chosen = choose(text(arm="{data.name: shapes}"), FIGURES)

    assert rates(chosen) == {"norm=none": 0.1, "norm=batch": 0.1}
    assert chosen["norm=none"].tuning == chosen["norm=batch"].tuning
    assert chosen["norm=none"].tuning["scores"][0]["n"] == 4


def test_each_norm_takes_what_was_best_in_its_cells_of_the_arm(choose):
    config = text(arm="{model.initialization.scale: 1.0}").replace("}, by", "}, each: EACH, by")
    config = config.replace("EACH", "[model.norm.name]").replace(
        "none, batch]}", "none, batch], model.initialization.scale: [0.1, 1.0]}"
    )
    figures = {f"{norm},scale=1.0": found for norm, found in FIGURES.items()}

    chosen = choose(config, figures)

    assert rates(chosen) == {
        "norm=none,scale=0.1": 0.1, "norm=none,scale=1.0": 0.1,
        "norm=batch,scale=0.1": 0.3, "norm=batch,scale=1.0": 0.3,
    }  # fmt: skip
    record = chosen["norm=batch,scale=0.1"].tuning
    assert record["arm"] == {"model.initialization.scale": 1.0}
    assert record["each"] == {"model.norm.name": "batch"}


def test_runs_without_the_figure_are_refused(choose, monkeypatch):
    figures = {cell: {**found, 0.1: (0.5, 0.5)} for cell, found in FIGURES.items()}

    def read_without_figure(path):
        record = read_run(path)
        return replace(record, summary=replace(record.summary, final={}))

    monkeypatch.setattr("bnexp.launch.stages.tuning.read_run", read_without_figure)
    with pytest.raises(UsageError, match="has no val/accuracy to tune by"):
        choose(text(), figures)


def test_nothing_is_chosen_before_all_tuning_runs_have_ended(load, tmp_path):
    experiment = load(text())
    plan = plan_experiment(experiment, tmp_path / "runs", is_forced=False)

    assert choose_values(experiment, experiment.tuning, plan.tuning) is None
    assert plan.experiment.tuning is not None


def test_lines_say_what_was_chosen_for_which_cells(choose, load):
    chosen = choose(text(), FIGURES)
    experiment = load(text())
    together = experiment.choose(
        {cell: (experiment.tuning.candidates[0], run.tuning) for cell, run in chosen.items()}
    )

    assert describe_choices(together) == [
        "tuned: optim.learning_rate 0.1 for norm=none",
        "tuned: optim.learning_rate 0.3 (at the edge: widen sweep.tune.over) for norm=batch",
    ]


def test_lines_say_if_even_the_best_value_diverged(choose, load):
    figures = {"norm=none": dict.fromkeys(NONE, (None, None)), "norm=batch": BATCH}
    chosen = choose(text(), figures)
    experiment = replace(load(text()), runs=tuple(chosen.values()))

    assert describe_choices(experiment)[0] == (
        "tuned: optim.learning_rate 0.01 (at the edge: widen sweep.tune.over) "
        "(2 of its 2 tuning runs diverged) for norm=none"
    )


def test_a_plan_names_tuning_runs_first_look_and_most_runs(load, tmp_path):
    claim = (
        "claim: {statement: s, source: s, treatment: {model.norm.name: batch}, "
        "control: {model.norm.name: none}, metric: test/accuracy, direction: higher, margin: 0.01}"
    )
    looks = text().replace("seeds: 2\n", "seeds: {min: 3, max: 5}\n")
    lines = describe_durations(
        plan_experiment(load(looks + claim), tmp_path / "runs", is_forced=False)
    )

    assert [line.partition(";")[0] for line in lines] == [
        "tuning: 12 runs",
        "first look, at 3 seeds: 6 runs",
        "at most, with 5 seeds: 10 runs",
        "duration unknown: no run of the cell has finished on this machine",
    ]


def train(folder, config, force=False, jobs=None):
    """Trains a config below a folder; returns the exit code and what was said."""
    folder.mkdir(exist_ok=True)
    (folder / "c.yaml").write_text(config)
    experiment = load_experiment(folder / "c.yaml")
    plan = plan_experiment(experiment, folder / "runs", force)
    stages = find_stages(plan, folder / "runs", lambda records: ClaimProgress(0, 0, frozenset()))
    said = io.StringIO()
    code = train_stages("many", stages, LaunchOptions(jobs=jobs), Console(file=said, width=250))
    return code, said.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    code, said = train(folder / "a", text())
    assert code == 0, said
    return folder / "a"


def test_real_runs_record_their_tuning_and_are_skipped_the_next_time(trained):
    before = read_runs(trained / "runs")
    code, said = train(trained, text())
    records = read_experiments(["many"], trained / "runs")

    assert (code, said.splitlines()[-1]) == (0, "many: 16 runs, all done already")
    assert read_runs(trained / "runs") == before
    assert [record.cell for record in records] == ["norm=none"] * 2 + ["norm=batch"] * 2
    assert {record.experiment for record in records} == {"many"}
    assert find_tuned_keys(records) == ("optim.learning_rate",)
    for record in records:
        tuning = read_tuning(record)
        assert tuning.chosen["optim.learning_rate"] == record.config["optim.learning_rate"]
        assert len(tuning.trials) == 3


def test_a_comparison_shows_what_was_tried_and_mixes_nothing(trained):
    comparison = compare_runs(read_experiments(["many"], trained / "runs"))
    written = render_markdown(comparison)

    assert [cell.n for cell in comparison.cells] == [2, 2]
    assert [tuned.cells for tuned in comparison.tunings] == [("norm=none",), ("norm=batch",)]
    assert not any(found.kind == "confounded" for found in comparison.caveats)
    assert "| cell | learning_rate | n | val/accuracy | choice |" in written
    assert written.count("| chosen") == 2


def test_tuning_over_other_values_leaves_measured_runs_of_the_same_value_alone(trained):
    runs = trained / "runs/many"
    chosen = {
        record.cell: record.config["optim.learning_rate"]
        for record in read_experiments(["many"], trained / "runs")
    }
    before = read_runs(trained / "runs")
    config = text(values="[1e-9, 0.01, 0.1, 0.3]")
    code, said = train(trained, config)

    assert code == 0, said
    after = read_runs(trained / "runs")
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 4
    written = json.loads((runs / "_tune/tuning.json").read_text())["cells"]
    assert {cell: one["chosen"]["optim.learning_rate"] for cell, one in written.items()} == chosen
    for record in read_experiments(["many"], trained / "runs"):
        assert len(read_tuning(record).trials) == 4
        assert record.problems == ()


def test_what_was_cut_off_after_tuning_ends_with_the_same_runs(trained, tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    # Two of the twelve tuning runs are left to do.
    left = shutil.ignore_patterns("norm=batch,learning_rate=0.3", "*=1e-*", "tuning.json")
    shutil.copytree(trained / "runs/many/_tune", tmp_path / "cut/runs/many/_tune", ignore=left)
    with monkeypatch.context() as patch:
        patch.setattr("bnexp.launch.stages.stages.note_choices", die)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "cut", text())
    assert not [*(tmp_path / "cut/runs/many").glob("norm=*")]
    train(tmp_path / "cut", text())

    cut, whole = read_runs(tmp_path / "cut/runs"), read_runs(trained / "runs")
    assert len(cut) == 16
    assert {path: whole[path] for path in cut} == cut


def test_force_starts_with_the_tuning_and_deletes_all_runs_first(tmp_path, monkeypatch):
    folder = tmp_path / "forced"
    config = (
        text(values="[0.01, 0.1]").replace("[100, 101]", "[100]").replace("seeds: 2", "seeds: 1")
    )
    train(folder, config)
    before = read_runs(folder / "runs")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bnexp.launch.stages.stages.note_choices", die)
        with pytest.raises(KeyboardInterrupt):
            train(folder, config, force=True)
    assert not [*(folder / "runs/many").glob("norm=*/seed=*/summary.json")]
    code, said = train(folder, config)

    assert code == 0, said
    assert read_runs(folder / "runs") == before

    for removal in plan_removal(["many"], folder / "runs"):
        assert len(removal.runs) == 6
        assert remove(removal) == []
    assert not (folder / "runs/many").exists()

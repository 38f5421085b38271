import math
import re
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import pytest
from records import build_cell, build_run, build_summary
from scipy import stats

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.metrics import has_epochs
from bnexp.analysis.results import Question
from bnexp.analysis.stats.power import Design
from bnexp.errors import UsageError

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]


def both(**fields):
    return [*build_cell("norm=none", NONE, **fields), *build_cell("norm=batch", BATCH, **fields)]


def cell_of(comparison, name):
    return next(cell for cell in comparison.cells if cell.cell == name)


def difference_of(comparison, name="norm=batch"):
    return cell_of(comparison, name).difference


def warning_of(comparison, words):
    return next((warning for warning in warnings_of(comparison) if words in warning), None)


def warnings_of(comparison):
    return [caveat.text for caveat in comparison.caveats]


# The cells


def test_cells_keep_the_order_in_which_they_first_appear():
    records = [build_run(cell) for cell in ("norm=group", "norm=none", "norm=batch")]
    assert [cell.cell for cell in compare_runs(records).cells] == [
        "norm=group",
        "norm=none",
        "norm=batch",
    ]


def test_a_cell_has_the_mean_and_spread_of_its_final_values():
    cell = cell_of(compare_runs(both()), "norm=none")
    assert cell.values == {0: 0.45, 1: 0.46, 2: 0.44}
    assert (cell.n, cell.mean, cell.std) == (3, pytest.approx(0.45), pytest.approx(0.01))


def test_the_final_value_counts_and_not_the_best_of_the_history():
    records = [build_run(value=0.5, history=(0.7, 0.9, 0.5))]
    assert compare_runs(records).cells[0].mean == 0.5


def test_only_settings_that_differ_are_named():
    settings = {"data.batch_size": 8}
    records = [
        build_run("norm=none", settings={"model.norm.name": "none", **settings}),
        build_run("norm=batch", settings={"model.norm.name": "batch", **settings}),
    ]
    comparison = compare_runs(records)
    assert comparison.differing == ("model.norm.name",)
    assert comparison.swept == ("model.norm.name", "data.batch_size")


def test_the_train_test_gap_is_the_mean_over_finished_runs():
    records = [
        build_run(seed=0, value=0.6, final={"train_eval/accuracy": 0.7}),
        build_run(seed=1, value=0.5, final={"train_eval/accuracy": 0.9}),
    ]
    assert compare_runs(records).cells[0].train_test_gap == pytest.approx(0.25)


def test_there_is_no_gap_where_train_accuracy_was_not_measured():
    assert compare_runs(both()).cells[0].train_test_gap is None


def test_throughput_is_the_median_over_finished_runs():
    records = [build_run(seed=seed, speed=speed) for seed, speed in enumerate((900, 10, 1000))]
    assert compare_runs(records).cells[0].images_per_second == 900


def test_a_run_given_twice_counts_once():
    assert compare_runs(both() + both()).cells[0].n == 3


def test_no_runs_at_all_are_refused():
    with pytest.raises(UsageError, match="no runs"):
        compare_runs([])


# Runs that did not finish


def test_diverged_runs_are_counted_and_never_averaged_in():
    records = [*both(), build_run("norm=none", 3, 0.1, state="diverged")]
    cell = compare_runs(records).cells[0]
    assert (cell.n, cell.diverged, cell.runs) == (3, 1, 4)
    assert cell.mean == pytest.approx(0.45)


def test_a_diverged_run_is_named_in_a_warning():
    records = [*both(), build_run("norm=none", 3, 0.1, state="diverged")]
    assert warning_of(compare_runs(records), "norm=none: 1 of 4 runs diverged")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("running", "1 run is still running: norm=none seed 3"),
        ("interrupted", "1 run was interrupted: norm=none seed 3"),
        ("failed", "1 run failed: norm=none seed 3"),
        ("pending", "1 run has not started: norm=none seed 3"),
    ],
)
def test_an_unfinished_run_is_counted_and_named(state, words):
    comparison = compare_runs([*both(), build_run("norm=none", 3, state=state)])
    assert comparison.cells[0].statuses[state] == 1
    assert words in warnings_of(comparison)


def test_several_running_runs_are_one_warning():
    records = [build_run("norm=none", seed, state="running") for seed in (0, 1)]
    assert "2 runs are still running: norm=none seed 0; norm=none seed 1" in warnings_of(
        compare_runs(records)
    )


def test_nothing_finished_still_shows_the_states():
    records = [build_run("norm=none", state="running"), build_run("norm=batch", state="failed")]
    comparison = compare_runs(records)
    assert [cell.mean for cell in comparison.cells] == [None, None]
    assert warning_of(comparison, "no run has finished")


def test_everything_diverged_gives_no_figures_and_says_so():
    records = [build_run(cell, state="diverged") for cell in ("norm=none", "norm=batch")]
    comparison = compare_runs(records)
    assert [cell.difference for cell in comparison.cells] == [None, None]
    assert "every run diverged, at step 100, so there is nothing to compare" in warning_of(
        comparison, "every run"
    )
    assert warning_of(comparison, "norm=batch: 1 of 1 run diverged; it has no mean")


def test_where_everything_diverged_the_steps_and_what_to_try_are_told():
    records = [
        build_run("norm=none", seed, state="diverged", history=[0.1] * epochs)
        for seed, epochs in enumerate((3, 7))
    ]
    (warning, *_) = warnings_of(compare_runs(records))
    assert "at steps 300 to 700" in warning
    assert "optim.learning_rate" in warning


def test_a_damaged_run_is_named_with_its_problem():
    records = [*both(), build_run("norm=none", 3, state="failed", problems=("summary.json: torn",))]
    assert "norm=none, seed 3: summary.json: torn" in warnings_of(compare_runs(records))


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_finished_run_without_a_finite_value_is_left_out_and_named(value):
    comparison = compare_runs([*both(), build_run("norm=none", 3, value, history=(0.4, value))])
    assert comparison.cells[0].n == 3
    assert warning_of(comparison, "do not count: norm=none seed 3")


# The baseline


def test_the_first_cell_without_a_norm_is_the_baseline():
    records = [
        build_run(f"norm={norm},batch_size={size}")
        for norm in ("batch", "none")
        for size in (8, 32)
    ]
    assert compare_runs(records).baseline == "norm=none,batch_size=8"


def test_the_shorthand_norm_key_marks_a_baseline_too():
    records = [build_run(norm, settings={"model.norm": norm}) for norm in ("batch", "none")]
    assert compare_runs(records).baseline == "none"


def test_without_such_a_cell_the_first_is_the_baseline():
    records = [build_run("norm=group"), build_run("norm=batch")]
    assert compare_runs(records).baseline == "norm=group"


def test_a_named_cell_is_the_baseline():
    comparison = compare_runs(both(), Question(baseline="norm=batch"))
    assert difference_of(comparison, "norm=none").verdict == "worse"


def test_an_unknown_baseline_is_refused_with_a_suggestion_and_the_cells():
    with pytest.raises(UsageError, match=r"did you mean 'norm=batch'.*norm=none, norm=batch"):
        compare_runs(both(), Question(baseline="norm=bacht"))


# Differences


def test_common_seeds_are_compared_in_pairs():
    difference = difference_of(compare_runs(both()))
    expected = stats.ttest_rel(BATCH, NONE)
    assert difference.is_paired
    assert difference.n == 3
    assert difference.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (difference.ci_low, difference.ci_high) == pytest.approx(
        tuple(expected.confidence_interval()), rel=1e-9
    )


def test_pairs_follow_the_seed_and_not_the_position():
    records = [*build_cell("norm=none", NONE), *reversed(build_cell("norm=batch", BATCH))]
    assert difference_of(compare_runs(records)).by_seed[1] == pytest.approx(0.63 - 0.46)


def test_seeds_without_a_partner_are_left_out_of_the_difference_and_named():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", BATCH[:2])]
    comparison = compare_runs(records)
    assert difference_of(comparison).n == 2
    assert warning_of(comparison, "norm=batch (seed 2)")


def test_cells_without_common_seeds_are_compared_by_welch():
    others = [build_run("norm=batch", seed, value) for seed, value in enumerate(BATCH, start=10)]
    comparison = compare_runs([*build_cell("norm=none", NONE), *others])
    difference = difference_of(comparison)
    expected = stats.ttest_ind(BATCH, NONE, equal_var=False)
    assert not difference.is_paired
    assert difference.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert warning_of(comparison, "not compared in pairs: norm=batch")


def test_p_values_are_holm_adjusted_over_the_family():
    records = [*both(), *build_cell("norm=group", [0.46, 0.45, 0.47])]
    comparison = compare_runs(records)
    batch, group = difference_of(comparison), difference_of(comparison, "norm=group")
    assert batch.p < group.p
    assert batch.p_holm == pytest.approx(2 * batch.p)
    assert group.p_holm == pytest.approx(group.p)


def test_a_cell_identical_to_the_baseline_does_not_enlarge_the_family():
    comparison = compare_runs([*both(), *build_cell("norm=group", NONE)])
    batch, group = difference_of(comparison), difference_of(comparison, "norm=group")
    assert batch.p_holm == batch.p
    assert (group.p_holm, group.verdict) == (1.0, "identical")


def test_one_common_seed_among_several_is_no_pair():
    others = [build_run("norm=batch", seed, value) for seed, value in enumerate(BATCH, start=2)]
    difference = difference_of(compare_runs([*build_cell("norm=none", NONE), *others]))
    assert (difference.is_paired, difference.n) == (False, 6)
    assert difference.p == pytest.approx(stats.ttest_ind(BATCH, NONE, equal_var=False).pvalue)


def test_a_clearly_higher_accuracy_is_better():
    assert difference_of(compare_runs(both())).verdict == "better"


def test_a_clearly_higher_loss_is_worse():
    assert (
        difference_of(compare_runs(both(metric="test/loss"), Question("test/loss"))).verdict
        == "worse"
    )


def test_a_metric_without_a_known_direction_is_only_higher():
    tag = "diag/gradient_norm/conv1"
    assert difference_of(compare_runs(both(metric=tag), Question(tag))).verdict == "higher"


def test_throughput_can_be_compared_like_a_metric():
    records = [
        build_run(cell, seed, speed=speed + seed**2)
        for cell, speed in (("norm=none", 1000), ("norm=batch", 800))
        for seed in range(3)
    ]
    records[0] = build_run("norm=none", 0, speed=1003)
    assert difference_of(compare_runs(records, Question("images_per_second"))).verdict == "worse"


def test_a_difference_within_the_noise_is_not_clear():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", [0.46, 0.45, 0.45])]
    assert difference_of(compare_runs(records)).verdict == "no clear difference"


def test_equal_values_in_every_seed_are_identical():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", NONE)]
    difference = difference_of(compare_runs(records))
    assert difference.verdict == "identical"
    assert (difference.mean, difference.p) == (0.0, 1.0)


def test_one_seed_gives_a_difference_but_no_interval_and_no_test():
    comparison = compare_runs([build_run("norm=none", 0, 0.4), build_run("norm=batch", 0, 0.6)])
    difference = difference_of(comparison)
    assert difference.mean == pytest.approx(0.2)
    assert (difference.ci_low, difference.p, difference.verdict) == (None, None, "not tested")
    assert comparison.cells[0].ci_low is None
    assert warning_of(comparison, "no interval and no test: norm=none; norm=batch")


def test_the_baseline_has_no_difference():
    assert difference_of(compare_runs(both()), "norm=none") is None


def test_a_cell_with_fewer_seeds_is_named():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", BATCH[:2])]
    assert warning_of(compare_runs(records), "fewer finished seeds than the other cells' 3")


# Epochs to the target


def test_epochs_to_target_is_the_median_first_epoch_counted_from_one():
    histories = [(0.5, 0.7, 0.8), (0.7, 0.6, 0.8), (0.1, 0.2, 0.7)]
    records = [build_run(seed=s, value=h[-1], history=h) for s, h in enumerate(histories)]
    epochs = compare_runs(records, Question(target=0.7)).cells[0].epochs_to_target
    assert (epochs.median, epochs.is_censored, epochs.reached, epochs.n) == (2, False, 3, 3)


def test_runs_that_never_reach_the_target_are_censored_and_not_dropped():
    histories = [(0.7, 0.7), (0.1, 0.2), (0.1, 0.2)]
    records = [build_run(seed=s, value=h[-1], history=h) for s, h in enumerate(histories)]
    epochs = compare_runs(records, Question(target=0.7)).cells[0].epochs_to_target
    assert (epochs.median, epochs.is_censored, epochs.reached, epochs.n) == (2, True, 1, 3)


def test_a_minority_of_censored_runs_leaves_the_median_exact():
    histories = [(0.7, 0.7), (0.1, 0.7), (0.1, 0.2)]
    records = [build_run(seed=s, value=h[-1], history=h) for s, h in enumerate(histories)]
    epochs = compare_runs(records, Question(target=0.7)).cells[0].epochs_to_target
    assert (epochs.median, epochs.is_censored, epochs.reached) == (2, False, 2)


def test_a_diverged_run_is_censored_at_the_epochs_it_was_to_run():
    record = build_run(state="diverged", history=(0.1, 0.2), config={"train.epochs": 30})
    epochs = compare_runs([record], Question(target=0.7)).cells[0].epochs_to_target
    assert (epochs.median, epochs.is_censored, epochs.reached, epochs.n) == (30, True, 0, 1)


def test_a_loss_reaches_its_target_from_above():
    record = build_run(metric="test/loss", value=0.4, history=(2.0, 0.9, 0.4))
    epochs = compare_runs([record], Question("test/loss", target=1.0)).cells[0].epochs_to_target
    assert epochs.median == 2


def test_the_default_target_is_the_baselines_mean():
    assert compare_runs(both()).target == pytest.approx(0.45)


def test_without_a_history_there_is_no_epoch_to_count():
    assert compare_runs(both(), Question("images_per_second")).cells[0].epochs_to_target is None


def test_a_target_is_refused_for_what_was_measured_once():
    history = {"train/loss": (1.0, 0.5)}
    runs = [
        replace(run, summary=replace(run.summary, history=history))
        for run in (build_run(seed=seed) for seed in range(3))
    ]
    assert compare_runs(runs).cells[0].epochs_to_target is None
    with pytest.raises(UsageError, match="test/accuracy was not measured after each epoch"):
        compare_runs(runs, Question(target=0.4))
    with pytest.raises(UsageError, match="images_per_second was not measured after each epoch"):
        compare_runs(both(), Question("images_per_second", target=1000.0))


def test_runs_that_diverged_before_their_only_evaluation_may_be_asked_for_it():
    run = build_run(state="diverged")
    summary = replace(run.summary, history={"train/loss": (9.0,)}, final={})
    comparison = compare_runs([replace(run, summary=summary)], Question("val/accuracy"))

    assert (comparison.cells[0].n, comparison.cells[0].diverged) == (0, 1)


@pytest.mark.parametrize(
    ("target", "right"), [(70, "0.7"), (1.5, "0.015"), (100, "1"), (101, "0.7"), (-3, "0.7")]
)
def test_percent_as_a_target_is_refused(target, right):
    with pytest.raises(UsageError, match=rf"write {re.escape(right)}$"):
        compare_runs(both(), Question(target=target))


def test_a_target_that_is_no_number_is_refused():
    with pytest.raises(UsageError, match="--target"):
        compare_runs(both(), Question(target=math.nan))


@pytest.mark.parametrize("margin", [0, -0.01, -0.5, math.inf, math.nan])
def test_a_margin_must_be_a_number_above_zero(margin):
    with pytest.raises(UsageError, match=r"--margin: must be a number above 0"):
        compare_runs(both(), Question(margin=margin))


@pytest.mark.parametrize("margin", [1, 2])
def test_a_margin_of_all_accuracies_is_refused(margin):
    with pytest.raises(UsageError, match=r"for one point write 0\.01"):
        compare_runs(both(), Question(margin=margin))


# The metric


def test_an_unknown_metric_is_refused_with_a_suggestion_and_the_known_ones():
    with pytest.raises(UsageError, match=r"did you mean 'test/accuracy'.*elapsed_seconds"):
        compare_runs(both(), Question("test/acuracy"))


# Several experiments


def test_cells_of_several_experiments_carry_the_experiments_name():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=none", BATCH, experiment="other")]
    comparison = compare_runs(records)
    assert [cell.cell for cell in comparison.cells] == ["study/norm=none", "other/norm=none"]
    assert comparison.experiment == "study + other"


def test_a_bare_cell_name_finds_the_baseline_in_the_one_experiment_that_has_it():
    records = [build_run("norm=none"), build_run("norm=batch", experiment="other")]
    assert compare_runs(records, Question(baseline="norm=batch")).baseline == "other/norm=batch"


def test_a_bare_cell_name_that_two_experiments_have_is_refused():
    records = [build_run("norm=none"), build_run("norm=none", experiment="other")]
    with pytest.raises(UsageError, match="several cells"):
        compare_runs(records, Question(baseline="norm=none"))


def test_a_key_that_only_one_experiment_sweeps_is_filled_in_from_the_others_config():
    records = [
        build_run("norm=batch"),
        build_run(
            "base",
            experiment="other",
            settings={},
            config={"model.norm.name": "none", "name": "x", "train.epochs": 10},
        ),
    ]
    assert compare_runs(records).cells[1].settings == {"model.norm.name": "none"}


def test_the_one_key_that_two_plain_experiments_differ_in_is_what_is_compared():
    records = [
        run
        for name, norm, values in (("a", "none", NONE), ("b", "batch", BATCH))
        for run in build_cell(
            "base",
            values,
            experiment=name,
            settings={},
            config={"model.norm.name": norm, f"model.norm.{norm}_option": 1},
        )
    ]
    comparison = compare_runs(records)
    assert comparison.differing == ("model.norm.name",)
    assert comparison.baseline == "a/base"
    assert difference_of(comparison, "b/base").verdict == "better"


def plain_experiments(none, batch):
    """Two experiments without a sweep whose runs have these configs."""
    return [
        run
        for name, values, config in (("a", NONE, none), ("b", BATCH, batch))
        for run in build_cell("base", values, experiment=name, settings={}, config=config)
    ]


def test_a_few_keys_that_tell_plain_experiments_apart_are_shown_but_not_taken_for_swept():
    comparison = compare_runs(
        plain_experiments(
            {"model.norm.name": "none", "train.epochs": 5},
            {"model.norm.name": "batch", "train.epochs": 10},
        )
    )
    assert comparison.differing == ("model.norm.name", "train.epochs")
    assert [cell.settings["train.epochs"] for cell in comparison.cells] == [5, 10]
    assert comparison.swept == ()
    assert difference_of(comparison, "b/base").verdict == "confounded"


def test_up_to_three_keys_that_tell_experiments_apart_are_shown():
    keys = [f"train.option_{number}" for number in range(3)]
    comparison = compare_runs(plain_experiments(dict.fromkeys(keys, 0), dict.fromkeys(keys, 1)))
    assert set(comparison.differing) == set(keys)


def test_many_keys_that_tell_experiments_apart_are_named_in_the_warning_alone():
    keys = [f"train.option_{number}" for number in range(4)]
    comparison = compare_runs(plain_experiments(dict.fromkeys(keys, 0), dict.fromkeys(keys, 1)))
    assert comparison.differing == ()
    assert all(key in warning_of(comparison, "no causal verdict") for key in keys)


def test_a_run_that_is_silent_is_no_longer_said_to_be_running():
    records = [*both(), build_run("norm=batch", 9, state="running", is_silent=True)]
    comparison = compare_runs(records)
    assert "1 run marked as running has died" in warning_of(comparison, "norm=batch seed 9")
    assert not any("still running" in warning for warning in warnings_of(comparison))
    assert cell_of(comparison, "norm=batch").silent == 1


def test_a_run_that_lost_its_summary_did_not_fail_and_can_be_mended():
    records = [*both(), build_run("norm=batch", 9, state="failed", is_damaged=True)]
    warning = warning_of(compare_runs(records), "norm=batch seed 9")
    assert "1 run left out, because the record is damaged" in warning
    assert "bnexp rm runs/study/norm=batch/seed=9" in warning
    assert "failed" not in warning


def test_a_seed_that_a_cell_has_twice_is_named():
    copy = replace(build_run("norm=batch", 7, 0.9), seed=1)
    comparison = compare_runs([*both(), copy])
    warning = warning_of(comparison, "norm=batch: of 2 runs of seed 1")
    assert "seed=7" in warning


@pytest.mark.parametrize("is_copy_first", [True, False])
def test_of_two_runs_of_one_seed_the_one_in_its_own_folder_counts(is_copy_first):
    copy = replace(build_run("norm=batch", 7, 0.9), seed=1, problems=("copied",))
    records = [copy, *both()] if is_copy_first else [*both(), copy]
    found = cell_of(compare_runs(records), "norm=batch")
    assert found.values[1] != 0.9
    assert found.epochs_to_target.n == found.n


def test_the_folder_of_another_experiment_is_named_once():
    runs = [
        replace(run, path=Path("runs") / "copy" / run.cell / f"seed={run.seed}") for run in both()
    ]
    warning = warning_of(compare_runs(runs), "the folder 'copy'")
    assert f"holds {len(runs)} runs of 'study'" in warning


def test_an_accuracy_beyond_one_is_not_counted_and_named():
    comparison = compare_runs([*both(), build_run("norm=batch", 9, 9.52)])
    assert 9 not in cell_of(comparison, "norm=batch").values
    assert "norm=batch seed 9" in warning_of(comparison, "without a test/accuracy in [0, 1]")


def test_a_loss_beyond_one_is_counted():
    records = build_cell("norm=none", [2.5, 2.6], metric="test/loss")
    assert compare_runs(records, Question("test/loss")).cells[0].n == 2


def test_a_confounded_cell_does_not_enlarge_the_family():
    other = {"train.epochs": 99, "model.norm.name": "group"}
    noise = build_cell("norm=group", [0.5, 0.53, 0.48, 0.51], config=other)
    alone, among = (difference_of(compare_runs(records)) for records in (both(), [*both(), *noise]))
    assert among.p_holm == alone.p_holm


def test_what_could_be_found_is_told_at_the_strictest_of_holms_steps():
    control = [0.5, 0.51, 0.49, 0.52]
    records = [
        *build_cell("norm=none", control),
        *build_cell("norm=batch", [0.51, 0.5, 0.5, 0.54]),
        *build_cell("norm=group", [0.5, 0.53, 0.48, 0.51]),
    ]
    found = difference_of(compare_runs(records, Question(margin=0.01)))
    spread = stdev(found.by_seed.values())
    assert found.smallest_detectable == Design((spread,), (4,)).smallest_detectable(0.8, 0.025)
    assert found.seeds_needed == Design((spread,), (2,)).seeds_needed(0.01, 0.8, 0.025)


def test_a_cell_that_diverged_before_its_first_evaluation_never_reached_the_target():
    lost = [build_run("norm=batch", seed, state="diverged", history=()) for seed in range(2)]
    epochs = cell_of(
        compare_runs([*build_cell("norm=none", [0.4, 0.5]), *lost]), "norm=batch"
    ).epochs_to_target
    assert (epochs.median, epochs.is_censored, epochs.reached, epochs.n) == (10, True, 0, 2)


def test_a_metric_without_epochs_counts_none_even_where_a_cell_diverged():
    lost = build_run("norm=batch", state="diverged", history=())
    comparison = compare_runs([*build_cell("norm=none", [0.4]), lost], Question("elapsed_seconds"))
    assert [cell.epochs_to_target for cell in comparison.cells] == [None, None]


def test_where_none_was_evaluated_only_a_metric_with_a_direction_may_have_epochs():
    lost = [build_run(cell, state="diverged", history=()) for cell in ("norm=none", "norm=batch")]
    compared = compare_runs(lost, Question("val/loss", target=0.5))
    assert [cell.epochs_to_target.reached for cell in compared.cells] == [0, 0]
    with pytest.raises(UsageError, match="no run has 'optim/learning_rate'"):
        compare_runs(lost, Question("optim/learning_rate", target=0.5))


def test_times_are_told_in_steps_of_the_finished_runs():
    partial = replace(
        build_run("norm=none", 2, state="diverged", history=(0.1,)),
        summary=replace(build_summary("diverged", history=(0.1,)), steps=150),
    )
    runs = [build_run("norm=none", seed, 0.5, history=(0.3, 0.5)) for seed in range(2)]
    epochs = compare_runs([*runs, partial], Question(target=0.5)).cells[0].epochs_to_target
    assert (epochs.median, epochs.median_steps) == (2, 200)
    assert epochs.restricted_mean_steps == 100 * epochs.restricted_mean


def test_without_a_finished_run_the_steps_of_an_epoch_are_unknown():
    runs = [*both(), build_run("norm=group", 0, state="diverged", history=(0.1,))]
    epochs = cell_of(compare_runs(runs), "norm=group").epochs_to_target
    assert (epochs.steps_per_epoch, epochs.median_steps) == (None, None)


@pytest.mark.parametrize("history", [(0.1, 0.2), ()])
def test_an_unknown_metric_is_refused_where_everything_diverged(history):
    records = [build_run("norm=none", state="diverged", history=history)]
    with pytest.raises(UsageError, match="no run has 'nonsense'"):
        compare_runs(records, Question("nonsense"))


def test_where_none_was_evaluated_a_loss_may_be_asked_for():
    records = [build_run("norm=none", state="diverged", history=())]
    assert compare_runs(records, Question("test/loss")).cells[0].n == 0


def test_a_run_that_got_nowhere_says_nothing_of_what_is_measured_per_epoch():
    begun = [build_run("norm=batch", 0, history=(0.5,)), build_run("norm=batch", 1, history=())]

    assert has_epochs(begun, "test/accuracy")
    assert not has_epochs(begun, "val/loss")
    assert has_epochs(begun[1:], "val/loss")

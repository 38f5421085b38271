from records import build_cell, build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.reports.sentences import describe_cells

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]


def sentence(none, batch, metric="test/accuracy", **fields):
    records = [
        *build_cell("norm=none", none, metric=metric),
        *build_cell("norm=batch", batch, metric=metric, **fields),
    ]
    return describe_cells(compare_runs(records, metric))[-1]


def test_a_better_cell_comes_with_size_interval_p_and_seeds():
    assert sentence(NONE, BATCH) == (
        "norm=batch is better than norm=none by 16.3 points "
        "(95 % interval 14.9 to 17.8, p < 0.001, 3 paired seeds)."
    )


def test_a_worse_cell_has_its_interval_in_the_same_direction():
    assert sentence(BATCH, NONE) == (
        "norm=batch is worse than norm=none by 16.3 points "
        "(95 % interval 14.9 to 17.8, p < 0.001, 3 paired seeds)."
    )


def test_for_other_metrics_the_sentence_says_which_and_where_it_moved():
    assert sentence([1.5, 1.52, 1.48], [1.1, 1.15, 1.06], "test/loss") == (
        "norm=batch is better than norm=none: test/loss is lower by 0.397 "
        "(95 % interval 0.334 to 0.459, p = 0.001, 3 paired seeds)."
    )


def test_a_metric_without_direction_is_only_lower():
    words = sentence([1.5, 1.52, 1.48], [1.1, 1.15, 1.06], "diag/shift")
    assert words.startswith("norm=batch is lower than norm=none in diag/shift by 0.397 (")


def test_noise_is_no_clear_difference():
    assert sentence(NONE, [0.46, 0.45, 0.45]) == (
        "norm=batch and norm=none show no clear difference: +0.3 points "
        "(95 % interval -2.5 to 3.2, p = 0.667, 3 paired seeds)."
    )


def test_identical_cells_are_called_so():
    assert sentence(NONE, NONE) == "norm=batch and norm=none are identical in 3 paired seeds."


def test_a_confounded_difference_has_figures_and_reasons_but_no_verdict():
    words = sentence(NONE, BATCH, config={"train.epochs": 5})
    assert words.startswith("norm=batch is 16.3 points above norm=none (95 % interval")
    assert words.endswith(", but they also differ in train.epochs: no causal verdict.")


def test_one_seed_is_too_little():
    assert sentence([0.4], [0.5]) == (
        "norm=batch is 10.0 points above norm=none (1 paired seed): "
        "too little for an interval or a test."
    )


def test_the_same_difference_in_every_seed_cannot_be_tested():
    assert sentence([0.5, 0.6], [0.4, 0.5]) == (
        "norm=batch is 10.0 points below norm=none (2 paired seeds): "
        "the same in every seed, so there is no spread to test it by."
    )


def test_unpaired_cells_say_how_many_seeds_each_has():
    records = [
        *build_cell("norm=none", NONE),
        *(build_run("norm=batch", seed, value) for seed, value in enumerate(BATCH[:2], 10)),
    ]
    assert "2 against 3 seeds, not paired" in describe_cells(compare_runs(records))[0]


def test_diverged_runs_of_a_compared_cell_are_told():
    records = [
        *build_cell("norm=none", NONE),
        *build_cell("norm=batch", BATCH),
        build_run("norm=batch", 3, state="diverged"),
    ]
    assert describe_cells(compare_runs(records))[0].endswith(" 1 of its 4 runs diverged.")


def test_a_cell_without_finished_runs_has_nothing_to_compare():
    records = [*build_cell("norm=none", NONE), build_run("norm=batch", state="diverged")]
    assert describe_cells(compare_runs(records)) == (
        "norm=batch has no finished run (1 of 1 diverged), so there is nothing to compare.",
    )


def test_a_baseline_without_finished_runs_is_the_only_thing_to_say():
    records = [build_run("norm=none", state="running"), *build_cell("norm=batch", BATCH)]
    assert describe_cells(compare_runs(records)) == (
        "norm=none (the baseline) has no finished run, so there is nothing to compare.",
    )

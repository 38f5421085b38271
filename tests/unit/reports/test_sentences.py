from records import build_cell, build_run
from scipy.stats import fisher_exact

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.table import build_table
from bnexp.reports.words.phrases import CellName, plain
from bnexp.reports.words.sentences import describe_cells

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]


def tell(comparison):
    """Returns the sentences as running text."""
    return tuple(plain(text.join()) for text in describe_cells(comparison))


def sentence(none, batch, metric="test/accuracy", **fields):
    records = [
        *build_cell("norm=none", none, metric=metric),
        *build_cell("norm=batch", batch, metric=metric, **fields),
    ]
    return tell(compare_runs(records, Question(metric)))[-1]


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
        "(95 % interval -2.5 to 3.2, p = 0.667, 3 paired seeds). "
        "With this spread, 3 paired seeds would detect a difference of 3.8 points or more "
        "(80 % power)."
    )


def test_with_a_margin_it_is_said_how_many_seeds_would_find_it():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", [0.46, 0.45, 0.45])]
    assert tell(compare_runs(records, Question(margin=0.01)))[0].endswith(
        "would detect a difference of 3.8 points or more, and 13 seeds per cell one of "
        "1 point (80 % power)."
    )


def test_equivalence_names_the_margin_and_its_p():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", [0.451, 0.46, 0.441])]
    assert tell(compare_runs(records, Question(margin=0.005))) == (
        "norm=batch and norm=none are equivalent within 0.5 points: +0.1 points "
        "(95 % interval -0.1 to 0.2, p = 0.003 for lying within the margin, 3 paired seeds).",
    )


def test_where_holm_decides_both_p_values_are_told():
    near = [0.47, 0.475, 0.468]
    cells = {"norm=none": NONE, "norm=a": near, "norm=b": [0.44, 0.46, 0.45], "norm=c": NONE[::-1]}
    records = [run for cell, values in cells.items() for run in build_cell(cell, values)]
    first = compare_runs(records).cells[1].difference
    assert first.p <= 0.05 < first.p_holm
    assert (
        f"p = {first.p_holm:.3f} after Holm, {first.p:.3f} before" in tell(compare_runs(records))[0]
    )


def test_a_long_baseline_is_not_named_in_every_sentence():
    records = [
        *build_cell("norm=none,batch_size=8,placement=before", NONE),
        *build_cell("norm=batch,batch_size=16,placement=after", BATCH),
    ]
    assert tell(compare_runs(records))[0].startswith(
        "norm=batch, batch_size=16, placement=after is better than the baseline by 16.3 points"
    )


def test_many_cells_of_one_seed_are_told_of_once():
    records = [build_run(f"norm={place}", 0, 0.1 * place) for place in range(5)]
    assert tell(compare_runs(records)) == (
        "4 cells have no verdict: one seed is too little for an interval or a test.",
    )


def test_identical_cells_are_called_so():
    assert sentence(NONE, NONE) == "norm=batch and norm=none are identical in 3 paired seeds."


def test_a_confounded_difference_has_figures_and_reasons_but_no_verdict():
    words = sentence(NONE, BATCH, config={"train.epochs": 5})
    assert words.startswith("norm=batch is 16.3 points above norm=none (95 % interval")
    assert words.endswith(", but they also differ in train.epochs: no causal verdict.")


def test_of_many_confounding_keys_only_some_are_named():
    keys = {f"model.layers.{place}.conv": 8 for place in range(8)}
    words = sentence(NONE, BATCH, config=keys)
    assert "differ in model.layers.0.conv, " in words
    assert "model.layers.7.conv" not in words
    assert words.endswith(" more keys: no causal verdict.")


def test_one_seed_is_too_little():
    assert sentence([0.4], [0.5]) == (
        "norm=batch is 10.0 points above norm=none (1 paired seed): "
        "too little for an interval or a test."
    )


def test_the_same_difference_in_every_seed_cannot_be_tested():
    assert sentence([0.5, 0.6], [0.4, 0.5]) == (
        "norm=batch is 10.0 points below norm=none (2 paired seeds): "
        "the difference is the same in every seed, so there is no spread to test it against."
    )


def test_unpaired_cells_say_how_many_seeds_each_has():
    records = [
        *build_cell("norm=none", NONE),
        *(build_run("norm=batch", seed, value) for seed, value in enumerate(BATCH[:2], 10)),
    ]
    assert "2 against 3 seeds, not paired" in tell(compare_runs(records))[0]


def test_diverged_runs_of_a_compared_cell_are_told():
    records = [
        *build_cell("norm=none", NONE),
        *build_cell("norm=batch", BATCH),
        build_run("norm=batch", 3, state="diverged"),
    ]
    assert tell(compare_runs(records))[0].endswith(
        " 1 of its 4 runs diverged, against 0 of 3 of norm=none; "
        "that may be chance (Fisher's exact test, p = 1)."
    )


def test_divergence_beyond_chance_is_told_with_fishers_p():
    records = [
        *build_cell("norm=none", [0.4, 0.41, 0.42, 0.43, 0.44]),
        *(build_run("norm=batch", seed, state="diverged") for seed in range(5)),
    ]
    p = fisher_exact([[5, 0], [0, 5]]).pvalue
    assert tell(compare_runs(records)) == (
        "norm=batch has no finished run, so there is nothing to compare. It diverged more often "
        f"than norm=none: 5 of 5 runs against 0 of 5 (Fisher's exact test, p = {p:.3f}).",
    )


def test_where_the_baseline_diverged_the_others_are_compared_in_that():
    records = [
        *(build_run("norm=none", seed, state="diverged") for seed in range(5)),
        *build_cell("norm=batch", [0.4, 0.41, 0.42, 0.43, 0.44]),
    ]
    assert tell(compare_runs(records))[1] == (
        "norm=batch diverged less often than norm=none: 0 of 5 runs against 5 of 5 "
        "(Fisher's exact test, p = 0.008)."
    )


def test_as_many_diverged_runs_as_the_baselines_are_only_counted():
    cells = ("norm=none", "norm=batch")
    records = [build_run(cell, seed, state="diverged") for cell in cells for seed in range(2)]
    assert tell(compare_runs(records))[1] == "2 of norm=batch's 2 runs diverged."


def test_a_cell_without_finished_runs_has_nothing_to_compare():
    records = [*build_cell("norm=none", NONE), build_run("norm=batch", state="diverged")]
    assert tell(compare_runs(records)) == (
        "norm=batch has no finished run, so there is nothing to compare. 1 of its 1 run diverged, "
        "against 0 of 3 of norm=none; that may be chance (Fisher's exact test, p = 0.250).",
    )


def test_a_baseline_without_finished_runs_is_the_only_thing_to_say():
    records = [build_run("norm=none", state="running"), *build_cell("norm=batch", BATCH)]
    assert tell(compare_runs(records)) == (
        "norm=none (the baseline) has no finished run, so there is nothing to compare.",
    )


def test_a_lone_cell_is_said_to_be_one():
    comparison = compare_runs(build_cell("norm=none", NONE))
    assert tell(comparison) == ("There is only one cell, so there is nothing to compare.",)
    difference = next(
        column for column in build_table(comparison).results if column.kind == "difference"
    )
    assert [difference.text(row, " ") for row in range(len(difference.rows))] == ["–"]


def test_runs_that_cannot_be_checked_are_the_reason_why_there_is_no_verdict():
    words = sentence(NONE, BATCH, environment={})
    assert words.endswith(", but what 3 runs ran on cannot be checked: no causal verdict.")


def test_a_sentence_comes_in_parts():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", BATCH)]
    (text,) = describe_cells(compare_runs(records))
    assert text.verdict == "better"
    assert [piece for piece in text.claim if isinstance(piece, CellName)] == [
        "norm=batch",
        "norm=none",
    ]
    assert [plain(part) for part in text.evidence] == [
        "95 % interval 14.9 to 17.8",
        "p < 0.001",
        "3 paired seeds",
    ]

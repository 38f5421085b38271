import pytest
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.console import fold_name
from bnexp.reports.table import build_table, describe_runs
from bnexp.reports.words.notes import describe_method
from bnexp.reports.words.phrases import plain

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]


def texts_of(column):
    return tuple(column.text(row, " ") for row in range(len(column.rows)))


def names_of(*records):
    view = build_table(compare_runs(records))
    return {" ".join(column.header): texts_of(column) for column in view.names}


def test_only_differing_settings_are_columns():
    settings = {"data.batch_size": 8}
    assert names_of(
        build_run("a", settings={"model.norm.name": "none", **settings}),
        build_run("b", settings={"model.norm.name": "batch", **settings}),
    ) == {"norm": ("none", "batch")}


def test_a_single_cell_is_named_by_itself():
    assert names_of(build_run("base", settings={})) == {"cell": ("base",)}


def test_cells_that_settings_cannot_tell_apart_are_named_too():
    names = names_of(build_run("norm=none"), build_run("norm=none", experiment="other"))
    assert names["cell"] == ("study/norm=none", "other/norm=none")


def test_the_method_names_pairing_and_holms_family():
    records = [
        *build_cell("norm=none", NONE),
        *build_cell("norm=batch", BATCH),
        *build_cell("norm=group", [0.46, 0.45, 0.47]),
    ]
    assert plain(describe_method(compare_runs(records))) == (
        "± and [ ]: 95 % t intervals over seeds. Differences: t test, paired by seed, "
        "Holm-adjusted over 2 comparisons. Each interval holds for its comparison alone; the "
        "verdict follows the adjusted p."
    )


def test_the_method_names_welch_where_seeds_do_not_pair():
    records = [
        *build_cell("norm=none", NONE),
        *(build_run("norm=batch", seed, value) for seed, value in enumerate(BATCH, 10)),
    ]
    assert "Welch, seeds not paired" in describe_method(compare_runs(records))


def test_without_a_test_the_method_names_none():
    one_cell = compare_runs(build_cell("norm=none", NONE))
    assert plain(describe_method(one_cell)) == "±: 95 % t interval over seeds."


def test_one_seed_has_no_method():
    assert describe_method(compare_runs([build_run()])) == (
        "No intervals and no tests: they need at least two finished seeds per cell."
    )


def test_holms_family_is_all_tables_together():
    records = [
        run
        for size in (8, 32)
        for norm, values in (("none", NONE), ("batch", BATCH))
        for run in build_cell(f"norm={norm},batch_size={size}", values)
    ]
    assert "Holm-adjusted over 2 comparisons" in describe_method(*compare_by(records, "batch_size"))


def test_only_the_best_row_is_marked():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", BATCH)]
    assert build_table(compare_runs(records)).best == {1}


def test_nothing_is_best_where_the_direction_is_unknown():
    records = [
        *build_cell("norm=none", NONE, metric="diag/shift"),
        *build_cell("norm=batch", BATCH, metric="diag/shift"),
    ]
    assert build_table(compare_runs(records, Question("diag/shift"))).best == frozenset()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("batch", ["batch"]),
        ("before_activation", ["before_", "activation"]),
        ("group(num_groups=8,eps=1)", ["group(", "num_groups=", "8,eps=1)"]),
        ("my-long-experiment", ["my-long-", "experiment"]),
        ("AdaptiveAvgPool2d", ["AdaptiveAvg", "Pool2d"]),
        ("/root/.cache/bnexp", ["/root/", ".cache/bnexp"]),
        ("the folder in `root`", ["the folder", "in `root`"]),
        ("x" * 20, ["x" * 20]),
        ("ends_in_many_", ["ends_in_", "many_"]),
    ],
)
def test_names_are_folded_between_their_parts(text, lines):
    assert list(fold_name(text, 12)) == lines


def test_verdicts_are_words():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", BATCH)]
    assert texts_of(build_table(compare_runs(records)).verdicts) == ("–", "better")


def test_what_became_of_lost_runs_stands_in_the_column_of_runs():
    records = [
        *build_cell("norm=none", [0.5, 0.6]),
        build_run("norm=none", 2, state="running", is_silent=True),
        build_run("norm=none", 3, state="failed", is_damaged=True),
    ]
    (cell,) = compare_runs(records).cells
    assert describe_runs(cell) == ("2 of 4 finished", "1 of 4 cut off", "1 of 4 damaged")

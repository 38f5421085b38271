from records import build_cell, build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.reports.table import build_table, describe_method

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]


def names_of(*records):
    view = build_table(compare_runs(records))
    return {column.header: column.texts for column in view.names}


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
    assert describe_method(compare_runs(records)) == (
        "± and [ ]: 95 % t intervals over seeds. Differences: t test, paired by seed, "
        "Holm-adjusted over 2 comparisons."
    )


def test_the_method_names_welch_where_seeds_do_not_pair():
    records = [
        *build_cell("norm=none", NONE),
        *(build_run("norm=batch", seed, value) for seed, value in enumerate(BATCH, 10)),
    ]
    assert "Welch, seeds not paired" in describe_method(compare_runs(records))


def test_without_a_test_the_method_names_none():
    assert describe_method(compare_runs([build_run()])) == "±: 95 % t interval over seeds."


def test_only_the_best_row_is_marked():
    records = [*build_cell("norm=none", NONE), *build_cell("norm=batch", BATCH)]
    assert build_table(compare_runs(records)).best == {1}


def test_nothing_is_best_where_the_direction_is_unknown():
    records = [
        *build_cell("norm=none", NONE, metric="diag/shift"),
        *build_cell("norm=batch", BATCH, metric="diag/shift"),
    ]
    assert build_table(compare_runs(records, "diag/shift")).best == frozenset()

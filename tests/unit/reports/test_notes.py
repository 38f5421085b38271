from dataclasses import replace

from claimed_runs import claimed_runs
from records import build_cell, build_environment, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.words.notes import describe_notes

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]
GRID = {
    "norm=none,batch_size=8": NONE,
    "norm=batch,batch_size=8": [0.5, 0.52, 0.49],
    "norm=batch,batch_size=32": BATCH,
}


def runs_of(cells, **fields):
    return [run for cell, values in cells.items() for run in build_cell(cell, values, **fields)]


def notes_of(cells, margin=None, **options):
    return " ".join(
        describe_notes([compare_runs(runs_of(cells), Question(margin=margin))], **options)
    )


def test_a_cell_that_differs_in_two_settings_is_said_to_and_how_to_compare_along_one():
    whole = {**GRID, "norm=none,batch_size=32": [0.4, 0.42, 0.41]}
    assert (
        "norm=batch, batch_size=32 differs from the baseline in norm and batch_size, so its "
        "difference is the effect of both together; --by batch_size compares along norm alone."
    ) in notes_of(whole)


def test_the_advice_is_one_that_the_sweep_has_cells_for():
    assert "--by norm compares along batch_size alone" in notes_of(GRID)


def test_where_no_cell_differs_in_one_setting_alone_there_is_no_advice():
    two = {"norm=none,batch_size=8": NONE, "norm=batch,batch_size=32": BATCH}
    assert notes_of(two).endswith("its difference is the effect of both together.")


def test_cells_that_differ_in_one_setting_need_no_note():
    assert "differs from the baseline" not in notes_of({"norm=none": NONE, "norm=batch": BATCH})


def test_further_cells_are_counted_and_not_listed():
    cells = {"norm=none,batch_size=8": NONE}
    cells |= {f"norm={norm},batch_size=32": BATCH for norm in ("batch", "layer", "group")}
    assert "(as do 2 other cells)" in notes_of(cells)


def test_one_of_many_tables_gives_no_advice_to_divide_further():
    cells = {f"{cell},epochs={number}": values for cell, values in GRID.items() for number in "12"}
    notes = " ".join(describe_notes(compare_by(runs_of(cells), "epochs")))
    assert "both together." in notes
    assert "--by" not in notes


def test_the_margin_says_what_equivalent_means():
    cells = {"norm=none": NONE, "norm=batch": [value + 0.0001 for value in NONE[:2]] + NONE[2:]}
    assert "Equivalent: shown to differ by less than 0.5 points" in notes_of(cells, 0.005)


def test_where_no_cell_is_equivalent_the_margin_says_what_would_be():
    notes = notes_of({"norm=none": NONE, "norm=batch": BATCH}, 0.005)
    assert "No cell is equivalent, i.e. shown to differ by less than 0.5" in notes
    assert "equivalent" not in notes_of({"norm=none": NONE}, 0.005)


def test_where_each_cell_has_one_seed_it_is_said_how_to_get_more():
    advice = "bnexp train CONFIG -s sweep.seeds=5"
    assert advice in notes_of({"norm=none": NONE[:1], "norm=batch": BATCH[:1]})
    assert advice not in notes_of({"norm=none": NONE[:1]}, is_advising=False)
    assert advice not in notes_of({"norm=none": NONE, "norm=batch": BATCH[:1]})


def test_claims_beside_chosen_runs_are_said_to_be_of_all():
    comparison = compare_runs(claimed_runs())
    chosen = replace(comparison, where={"model.norm.name": ("batch",)})
    words = "The claims are assessed on all runs, not only those in the table."
    assert words in describe_notes([chosen])
    assert words not in describe_notes([comparison])


def test_bold_is_called_no_verdict_where_it_is_shown():
    cells = {"norm=none": NONE, "norm=batch": BATCH}
    assert "Bold: the best mean, which is not a verdict." in notes_of(cells, is_best_marked=True)
    assert "Bold" not in notes_of(cells)


def with_histories(none, batch):
    return [build_run("norm=none", history=none), build_run("norm=batch", history=batch)]


def test_a_target_that_all_reach_at_once_is_called_useless():
    comparison = compare_runs(with_histories((0.1, 0.5), (0.6, 0.7)))
    assert "set a harder one with --target" in " ".join(describe_notes([comparison]))


def test_a_target_of_ones_own_is_not_judged():
    comparison = compare_runs(with_histories((0.1, 0.5), (0.6, 0.7)), Question(target=0.2))
    assert "--target" not in " ".join(describe_notes([comparison]))


def test_a_target_that_takes_epochs_is_kept():
    comparison = compare_runs(with_histories((0.1, 0.5), (0.2, 0.7)))
    assert "--target" not in " ".join(describe_notes([comparison]))


def test_speeds_that_cannot_be_compared_are_named_with_the_reason():
    blocks = {"none": 0, "batch": 10, "group": 20}
    runs = [
        build_run(f"norm={norm}", seed, environment=build_environment(start + seed))
        for norm, start in blocks.items()
        for seed in range(2)
    ]
    said = "their runs did not take turns, seed by seed"

    assert f"The speed and time of 2 cells cannot be compared with the baseline's: {said}" in (
        " ".join(describe_notes([compare_runs(runs)]))
    )
    assert f"of norm=batch cannot be compared with the baseline's: {said}" in (
        " ".join(describe_notes([compare_runs(runs[:4])]))
    )

import re

import pytest
from records import build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.analysis.stats.intervals import holm
from bnexp.analysis.where import find_key, select_runs, split_runs
from bnexp.errors import UsageError

RATES = (0.01, 0.1)
VALUES = {
    ("none", 0.01): (0.40, 0.41, 0.42),
    ("none", 0.1): (0.45, 0.44, 0.47),
    ("batch", 0.01): (0.47, 0.46, 0.49),
    ("batch", 0.1): (0.60, 0.63, 0.62),
}


def runs():
    return [
        build_run(
            f"norm={norm},learning_rate={rate}",
            seed,
            value,
            settings={"model.norm.name": norm, "optim.learning_rate": rate},
        )
        for (norm, rate), values in VALUES.items()
        for seed, value in enumerate(values)
    ]


def test_a_key_may_be_named_by_its_last_words():
    assert find_key("norm", runs(), "--by") == "model.norm.name"
    assert find_key("optim.learning_rate", runs(), "--by") == "optim.learning_rate"
    assert find_key("epochs", runs(), "--where") == "train.epochs"


def test_an_unknown_key_is_refused_with_the_swept_ones():
    with pytest.raises(
        UsageError, match=r"--by: no run has a key 'size'; the swept keys are model"
    ):
        find_key("size", runs(), "--by")


def test_a_name_that_ends_two_keys_is_refused():
    records = [build_run(settings={"a.size": 1, "b.size": 2})]
    with pytest.raises(
        UsageError, match=r"'size' could mean a\.size or b\.size; write one of them"
    ):
        find_key("size", records, "--where")


def test_conditions_on_one_key_are_alternatives_and_on_several_all_hold():
    one, where = select_runs(runs(), ["norm=batch", "learning_rate=1e-1"])
    both, _ = select_runs(runs(), ["norm=batch", "norm=none"])

    assert {run.cell for run in one} == {"norm=batch,learning_rate=0.1"}
    assert where == {"model.norm.name": ("batch",), "optim.learning_rate": ("1e-1",)}
    assert len(both) == 12


def test_a_value_that_no_run_has_is_refused_with_those_that_there_are():
    with pytest.raises(
        UsageError, match=r"no run has model\.norm\.name = layer; it is none, batch"
    ):
        select_runs(runs(), ["norm=layer"])


def test_one_of_several_values_that_no_run_has_is_refused_too():
    with pytest.raises(
        UsageError, match=r"no run has model\.norm\.name = layer; it is none, batch"
    ):
        select_runs(runs(), ["norm=batch", "norm=layer"])


def test_a_part_is_matched_by_its_name_whatever_its_options():
    parts = {"batch": "batch", "group": "group(num_groups=4)", "none": "none"}
    records = [
        build_run(
            f"norm={label}",
            0,
            0.5,
            settings={"model.norm": label},
            config={"model.norm.name": name},
        )
        for name, label in parts.items()
    ]

    assert select_runs(records, ["norm=batch", "norm=group"])[0] == tuple(records[:2])
    assert select_runs(records, ["norm=group(num_groups=4)"])[0] == (records[1],)


@pytest.mark.parametrize("key", ["model.norm.name", "model.norm"])
def test_a_part_is_matched_as_reports_name_it_whatever_key_is_swept(key):
    """Reports write `norm=batch(momentum=0.3), learning rate 0.1`."""
    slow, fast = (
        build_run(
            f"momentum={momentum}",
            0,
            0.5,
            settings={key: "batch", "model.norm.momentum": momentum},
            config={
                "model.norm.name": "batch",
                "model.norm.momentum": momentum,
                "model.norm.eps": 1e-5,
                "optim.learning_rate": momentum,
            },
        )
        for momentum in (0.1, 0.3)
    )
    assert select_runs([slow, fast], ["norm=batch(momentum=0.3)"])[0] == (fast,)
    assert select_runs([slow, fast], ["norm=batch(momentum=0.30, eps=1e-5)"])[0] == (fast,)
    assert select_runs([slow, fast], ["norm=batch"])[0] == (slow, fast)
    assert select_runs([slow, fast], ["learning rate=0.1"])[0] == (slow,)
    with pytest.raises(UsageError, match=r"no run has model\.norm\S* = batch\(momentum=0\.2\)"):
        select_runs([slow, fast], ["norm=batch(momentum=0.2)"])


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("norm=bacth", "= bacth (did you mean 'batch'?)"),
        ("norm=bn", "= bn (did you mean 'batch'?)"),
        ("lr=0.1", "a key 'lr' (did you mean 'learning_rate'?)"),
    ],
)
def test_a_wrong_word_in_a_condition_gets_a_suggestion(condition, hint):
    with pytest.raises(UsageError, match=re.escape(hint)):
        select_runs(runs(), [condition])


def test_conditions_that_hold_only_one_by_one_are_refused_as_such():
    first, second = (
        build_run(
            f"{norm}", 0, 0.5, settings={"model.norm.name": norm, "optim.learning_rate": rate}
        )
        for norm, rate in (("none", 0.1), ("batch", 0.2))
    )
    with pytest.raises(
        UsageError,
        match=r"satisfies the other conditions has optim\.learning_rate = 0\.2; it is 0\.1",
    ):
        select_runs([first, second], ["norm=none", "learning_rate=0.2"])


@pytest.mark.parametrize("condition", ["norm!=batch", "learning_rate>=0.1", "=batch"])
def test_other_comparisons_are_refused(condition):
    with pytest.raises(UsageError, match=f"'{condition}' is not KEY=VALUE"):
        select_runs(runs(), [condition])


def test_a_condition_without_a_value_is_refused():
    with pytest.raises(UsageError, match="'norm' is not KEY=VALUE"):
        select_runs(runs(), ["norm"])


def test_runs_are_split_by_value_in_order_of_appearance():
    key, groups = split_runs(runs(), "learning_rate")

    assert key == "optim.learning_rate"
    assert {value: len(part) for value, part in groups.items()} == {"0.01": 6, "0.1": 6}


def test_one_comparison_a_value_with_holms_family_over_all_of_them():
    low, high = compare_by(runs(), "learning_rate")
    differences = [table.cells[1].difference for table in (low, high)]

    assert [dict(table.where) for table in (low, high)] == [
        {"optim.learning_rate": ("0.01",)},
        {"optim.learning_rate": ("0.1",)},
    ]
    assert low.differing == ("model.norm.name",)
    assert tuple(one.p_holm for one in differences) == holm([one.p for one in differences])


def test_a_part_of_a_cells_name_is_a_baseline_where_one_cell_has_it():
    tables = compare_by(runs(), "learning_rate", Question(baseline="norm=batch"))
    assert [table.baseline for table in tables] == [
        "norm=batch,learning_rate=0.01",
        "norm=batch,learning_rate=0.1",
    ]
    with pytest.raises(UsageError, match="cell 'norm=batch' matches several cells"):
        compare_by(runs(), "epochs", Question(baseline="norm=batch"))


def test_the_table_that_lacks_the_baseline_is_named():
    records = [run for run in runs() if run.cell != "norm=none,learning_rate=0.1"]
    with pytest.raises(
        UsageError, match=r"norm=none' is .* in the table of optim\.learning_rate = 0\.1;"
    ):
        compare_by(records, "learning_rate", Question(baseline="norm=none"))


def test_a_part_and_its_name_are_one_key():
    short = build_run("norm=batch", experiment="one", settings={"model.norm": "batch"})
    long = build_run("norm=none", experiment="two")
    comparison = compare_runs([short, long])
    assert comparison.swept == ("model.norm",)
    assert [dict(cell.settings) for cell in comparison.cells] == [
        {"model.norm": "batch"},
        {"model.norm": "none"},
    ]
    assert select_runs([short, long], ["norm=none"])[0] == (long,)

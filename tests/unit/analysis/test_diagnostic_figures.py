"""What a metric of a diagnostic means: which tags, which value of a run, and of several layers."""

from dataclasses import replace
from math import isnan, nan

import pytest
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.diagnostics import (
    epoch_figures,
    final_figure,
    measure_diagnostic,
    merge_orders,
    step_figures,
)
from bnexp.analysis.metrics import better_direction, is_accuracy, is_cost
from bnexp.analysis.results import Question
from bnexp.errors import UsageError
from bnexp.runs.record import Series

NORM = "diag/gradient_norm"


def series(*values, per_epoch=1):
    steps = tuple(range(1, len(values) + 1))
    return Series(steps, tuple((step - 1) // per_epoch + 1 for step in steps), values)


def run_with(diagnostics, **fields):
    return replace(build_run(history=(0.1, 0.2), value=0.2, **fields), diagnostics=diagnostics)


def test_an_epoch_has_the_mean_of_its_values_and_the_end_has_the_last():
    run = run_with({f"{NORM}/conv": series(1.0, 3.0, 5.0, 9.0, per_epoch=2)})

    assert epoch_figures(run, f"{NORM}/conv", None) == (2.0, 7.0)
    assert final_figure(run, f"{NORM}/conv", None) == 9.0


def test_a_step_has_the_reduced_figure_of_its_layers_and_of_two_tags_the_difference():
    run = run_with(
        {
            f"{NORM}/a": series(1.0, 3.0, nan, 4.0, per_epoch=2),
            f"{NORM}/b": series(2.0, 5.0, 1.0, 8.0, per_epoch=2),
            "diag/loss/all": Series((2, 4, 6), (1, 2, 3), (0.5, 0.25, 0.1)),
        }
    )

    assert step_figures(run, [NORM], "mean") == Series((1, 2, 4), (1, 1, 2), (1.5, 4.0, 6.0))
    assert step_figures(run, ["diag/loss"], None).values == (0.5, 0.25, 0.1)
    both = step_figures(run, [f"{NORM}/b", "diag/loss/all"], None)
    assert both == Series((2, 4), (1, 2), (4.5, 7.75))
    assert step_figures(run, ["diag/other/all"], None) == Series((), (), ())


def test_an_epoch_without_a_value_or_with_one_that_is_not_finite_has_none():
    gap = run_with({f"{NORM}/conv": Series((4,), (2,), (8.0,))})
    bad = run_with({f"{NORM}/conv": series(1.0, nan)})

    first, second = epoch_figures(gap, f"{NORM}/conv", None)
    assert (isnan(first), second) == (True, 8.0)
    assert isnan(epoch_figures(bad, f"{NORM}/conv", None)[1])
    assert final_figure(bad, f"{NORM}/conv", None) is None


@pytest.mark.parametrize(
    ("metric", "layers", "expected"),
    [
        (NORM, "median", 2.0),
        (NORM, "mean", 4.0),
        (NORM, "min", 1.0),
        (NORM, "max", 9.0),
        (f"{NORM}/blocks.*", "max", 2.0),
        (f"{NORM}/head", "median", 9.0),
        (NORM, None, None),
        (f"{NORM}/tail", "median", None),
    ],
)
def test_layers_are_reduced(metric, layers, expected):
    values = {"blocks.0": 1.0, "blocks.1": 2.0, "head": 9.0}
    run = run_with({f"{NORM}/{layer}": series(0.0, value) for layer, value in values.items()})

    assert final_figure(run, metric, layers) == expected


def test_the_figure_of_the_whole_network_needs_no_layer_and_is_none():
    run = run_with({f"{NORM}/conv": series(1.0), f"{NORM}/all": series(9.0)})

    assert final_figure(run, NORM, None) == final_figure(run, f"{NORM}/all", None) == 9.0
    assert final_figure(run, NORM, "max") == final_figure(run, f"{NORM}/*", "max") == 1.0


def test_a_layer_that_only_some_networks_have_stands_in_its_place():
    plain, normed = ("conv1", "conv2", "head"), ("conv1", "norm1", "conv2", "norm2", "head")

    assert merge_orders([plain, normed]) == normed
    assert merge_orders([normed, plain]) == normed


def both(metric=f"{NORM}/conv", layers=None, **tags):
    """Returns the comparison of three runs of each of two cells on a diagnostic."""
    values = {"norm=none": (1.0, 1.1, 1.2), "norm=batch": (2.0, 2.2, 2.1)}
    records = [
        replace(run, diagnostics=dict.fromkeys(tags.get(run.cell[5:], ("conv",)), value))
        for cell, numbers in values.items()
        for run, number in zip(build_cell(cell, numbers), numbers, strict=True)
        for value in [series(number)]
    ]
    records = [
        replace(run, diagnostics={f"{NORM}/{layer}": one for layer, one in run.diagnostics.items()})
        for run in records
    ]
    question = Question(metric, layers=layers)
    return compare_runs(measure_diagnostic(records, question), question)


def test_only_a_finished_run_ends_with_a_figure():
    tag = f"{NORM}/conv"
    runs = [
        run_with({tag: series(*values)}, state=state)
        for state, values in (("finished", (1.0, 2.0)), ("diverged", (1.0, 2.0)),
                              ("finished", (1.0, nan)))
    ]  # fmt: skip
    found = measure_diagnostic(runs, Question(tag))

    assert [run.summary.final.get(tag, "none") for run in found] == [2.0, "none", "none"]
    assert [run.summary.history[tag][0] for run in found] == [1.0, 1.0, 1.0]


def test_cells_are_compared_on_a_diagnostic():
    comparison = both()

    assert [cell.mean for cell in comparison.cells] == pytest.approx([1.1, 2.1])
    assert comparison.cells[1].difference.verdict == "higher"
    assert comparison.target is None
    assert all(cell.epochs_to_target is None for cell in comparison.cells)


def test_a_layer_that_a_cell_lacks_leaves_it_without_a_figure():
    comparison = both(f"{NORM}/norm", batch=("conv", "norm"))

    assert [cell.n for cell in comparison.cells] == [0, 3]
    (caveat,) = [one for one in comparison.caveats if one.kind == "no figure"]
    assert len(caveat.details) == 3


def test_that_cells_have_other_layers_is_said():
    assert both(NORM, "median").metric == f"{NORM}, median over layers"
    assert "other layers" not in {one.kind for one in both(NORM, "median").caveats}

    (caveat,) = [
        one for one in both(NORM, "median", batch=("conv", "norm")).caveats
        if one.kind == "other layers"
    ]  # fmt: skip
    assert caveat.details == ("norm=none 1 layer", "norm=batch 2 layers")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("diag/gradient_nrom/conv", r"did you mean 'gradient_norm'\?\); they have gradient_norm"),
        (f"{NORM}/cnov", r"has no layer 'cnov' \(did you mean 'conv'\?\); it has conv, norm"),
        (NORM, r"is 2 figures, one per layer; name a layer \(conv, norm\), or give --layers"),
    ],
)
def test_a_diagnostic_that_is_not_there_is_refused_with_what_is(metric, said):
    with pytest.raises(UsageError, match=said):
        both(metric, batch=("conv", "norm"))


def test_runs_without_diagnostics_are_refused_with_what_to_do():
    with pytest.raises(UsageError, match="list what to measure under `diagnostics:`"):
        measure_diagnostic([build_run()], Question(NORM, layers="median"))


def test_a_diagnostic_has_no_target():
    with pytest.raises(UsageError, match="--target: a diagnostic has no value to reach"):
        compare_runs([build_run(metric=NORM)], Question(NORM, target=0.5))


@pytest.mark.parametrize("layer", ["loss", "head_accuracy", "bytes"])
def test_a_layer_called_like_a_metric_is_a_layer(layer):
    metric = f"{NORM}/{layer}"

    assert (better_direction(metric), is_accuracy(metric), is_cost(metric)) == (0, False, False)

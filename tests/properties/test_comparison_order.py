"""A comparison's figures are a function of the set of runs, not of their order."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from records import build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.json import render_json

CELLS = ("norm=none", "norm=batch", "norm=group")

accuracies = st.floats(0, 1, allow_nan=False)


@st.composite
def experiments(draw):
    """Draws runs of up to three cells in any state, and the same runs in another order."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(CELLS), st.integers(0, 5)),
            min_size=1,
            max_size=12,
            unique=True,
        )
    )
    states = st.sampled_from(["finished", "finished", "finished", "diverged", "running"])
    runs = [
        build_run(cell, seed, history[-1], state=draw(states), history=history)
        for cell, seed in keys
        for history in [draw(st.lists(accuracies, min_size=1, max_size=4))]
    ]
    return runs, draw(st.permutations(runs))


def figures(runs):
    document = json.loads(render_json(compare_runs(runs, Question(baseline=sorted_cells(runs)[0]))))
    return {cell["cell"]: cell for cell in document["cells"]}, document["target"]


def sorted_cells(runs):
    return sorted({run.cell for run in runs})


@settings(deadline=None)
@given(experiments())
def test_the_figures_do_not_depend_on_the_order_of_the_runs(drawn):
    runs, shuffled = drawn
    assert figures(shuffled) == figures(runs)


@settings(deadline=None)
@given(experiments())
def test_every_run_is_counted_in_exactly_one_state(drawn):
    runs, _ = drawn
    assert sum(cell.runs for cell in compare_runs(runs).cells) == len(runs)


@settings(deadline=None)
@given(experiments())
def test_the_mean_lies_within_its_interval_and_its_values(drawn):
    runs, _ = drawn
    for cell in compare_runs(runs).cells:
        if cell.ci_low is not None:
            assert cell.ci_low <= cell.mean <= cell.ci_high
            assert min(cell.values.values()) <= cell.mean <= max(cell.values.values())

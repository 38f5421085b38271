import pytest
from records import build_cell

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.words.formatting import (
    MetricFormat,
    format_p,
    metric_format,
    write_factor,
    write_p,
)
from bnexp.reports.words.phrases import plain

ACCURACY = MetricFormat("test/accuracy", 1)
LOSS = MetricFormat("test/loss", 3)


def test_accuracies_are_shown_in_percent():
    assert plain(ACCURACY.value(0.7123)) == "71.2 %"


def test_differences_of_accuracies_are_shown_in_points():
    assert ACCURACY.difference(0.123, signed=True) == "+12.3 points"


@pytest.mark.parametrize(
    ("margin", "text"), [(0.01, "1 point"), (0.005, "0.5 points"), (0.02, "2 points")]
)
def test_a_margin_is_shown_with_all_of_its_figures(margin, text):
    assert ACCURACY.margin(margin) == text
    assert LOSS.margin(0.0125) == "0.0125"


@pytest.mark.parametrize(("p", "text"), [(0.0123, "p = 0.012"), (0.0001, "p < 0.001")])
def test_a_p_value_is_written_with_its_sign(p, text):
    assert plain(write_p(p)) == text


def test_losses_are_shown_as_they_are():
    assert LOSS.value(0.71234) == "0.712"


def test_a_negative_number_that_rounds_to_zero_has_no_sign():
    assert ACCURACY.number(-0.0001, signed=True) == "0.0"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.5, "0.500"),
        (0.0123, "0.012"),
        (0.0002, "< 0.001"),
        (1.0, "1"),
        (0.0504, "0.0504"),
        (0.04961, "0.0496"),
    ],
)
def test_p_values_never_hide_their_side_of_005(p, text):
    assert format_p(p) == text


def test_small_intervals_get_one_more_decimal():
    records = [
        *build_cell("norm=none", [0.7, 0.7002, 0.7001]),
        *build_cell("norm=batch", [0.71, 0.7102, 0.7101]),
    ]
    assert metric_format(compare_runs(records)).decimals == 2


def test_a_loss_gets_four_figures():
    records = build_cell("norm=none", [0.71, 0.82, 0.93], metric="test/loss")
    assert metric_format(compare_runs(records, Question("test/loss"))).value(0.82) == "0.8200"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3.4561e-5, "34.56 ×1e-6"),
        (2.5e-8, "25.00 ×1e-9"),
        (0.00346, "0.003460"),
        (3.4561e6, "3.456 ×1e6"),
        (0.0, "0.000"),
    ],
)
def test_a_tiny_or_huge_diagnostic_is_shown_in_powers_of_a_thousand(value, shown):
    metric = "diag/gradient_norm/all"
    records = build_cell("norm=none", [value], metric=metric)
    write = metric_format(compare_runs(records, Question(metric)))

    assert write.value(value).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_a_tiny_loss_is_shown_as_it_is():
    records = build_cell("norm=none", [2e-5], metric="test/loss")
    assert metric_format(compare_runs(records, Question("test/loss"))).unit == ""


@pytest.mark.parametrize(
    ("metric", "value", "shown", "difference"),
    [
        ("steps_to_target", 130.94, "130.9 steps", "+130.9 steps"),
        ("steps_to_target", 31.0e6, "31,000,000 steps", "+31,000,000 steps"),
        ("elapsed_seconds", 9_999.0, "9,999.0 s", "+9,999.0 s"),
        ("images_per_second", 12_345.6, "12,346 images/s", "+12,346 images/s"),
    ],
)
def test_a_figure_of_a_run_has_its_unit_and_no_decimals_if_it_is_large(
    metric, value, shown, difference
):
    write = MetricFormat(metric, 1)

    assert write.value(value).replace("\u00a0", " ") == shown
    assert write.difference(value, signed=True) == difference


@pytest.mark.parametrize(
    ("factor", "written"),
    [
        (1.0042, "1.004"),
        (0.9642, "0.964"),
        (0.93, "0.930"),
        (0.17, "0.17"),
        (16.53, "16.5"),
        (7.188, "7.19"),
    ],
)
def test_a_factor_near_one_shows_its_side(factor, written):
    assert write_factor(factor) == written

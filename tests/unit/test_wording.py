import pytest

from bnexp.wording import (
    command_to_paste,
    count,
    format_age,
    format_bytes,
    format_duration,
    format_percent,
    format_speed,
    wrap_words,
    write_value,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "null"), (1e-5, "1e-05"), (0.1, "0.1"), ("a", "a"), (1e6, "1000000.0")],
)
def test_values_look_as_in_yaml(value, text):
    assert write_value(value) == text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "run", "1 run"),
        (0, "run", "0 runs"),
        (3000, "seed", "3,000 seeds"),
        (2, "class", "2 classes"),
        (2, "study", "2 studies"),
        (2, "day", "2 days"),
    ],
)
def test_counts_agree_with_their_noun(number, noun, text):
    assert count(number, noun) == text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.42, "0.42 s"),
        (41.6, "42 s"),
        (131.65, "2 min 12 s"),
        (59.7, "1 min"),
        (11100, "3 h 05 min"),
        (7205, "2 h"),
        (187_200, "2 d 04 h"),
    ],
)
def test_durations_are_written_in_two_units(seconds, shown):
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(12, "12 B"), (1000, "1000 B"), (989_233_152, "943 MiB"), (1.5 * 2**30, "1.50 GiB")],
)
def test_sizes_are_written_in_binary_units(size, shown):
    assert format_bytes(size) == shown


@pytest.mark.parametrize(("speed", "shown"), [(2333.4, "2,333"), (99.96, "100"), (1.5, "1.5")])
def test_speeds_have_three_digits_or_are_whole(speed, shown):
    assert format_speed(speed) == shown


def test_shares_are_shown_in_percent():
    assert format_percent(0.6123) == "61.2 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s ago"), (3.4, "3 s ago"), (75, "1 min ago"), (7000, "2 h ago"), (2e5, "2 d ago")],
)
def test_an_age_is_written_in_its_largest_unit(seconds, text):
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("/a/bin/bnexp", "bnexp"),
        (r"C:\a\bnexp.exe", "bnexp"),
        ("/a/bnexp/__main__.py", "bnexp"),
        ("/a/own.py", "/a/own.py"),
    ],
)
def test_a_command_can_be_pasted_however_the_program_was_started(program, shown):
    assert command_to_paste([program, "train", "a study.yaml"]) == f"{shown} train 'a study.yaml'"


def test_words_are_wrapped_whole_and_numbers_stay_with_their_units():
    path = "/a/path/much/longer/than/any/line"
    text = f"norm=batch seed=0 finished val 10.0 % test 9.5 % in 3 min at {path}"
    assert wrap_words(text, 32).splitlines() == [
        "norm=batch seed=0 finished val",
        f"  10.0 % test 9.5 % in 3 min at {path}",
    ]

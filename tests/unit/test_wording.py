import pytest

from bnexp.wording import count, write_value


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
    ],
)
def test_counts_agree_with_their_noun(number, noun, text):
    assert count(number, noun) == text

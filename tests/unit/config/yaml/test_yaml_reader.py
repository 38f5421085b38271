"""Scalars are read as YAML 1.2's core schema says, and every value keeps its place."""

import pytest

from bnexp.config.yaml.node import Position
from bnexp.config.yaml.reader import read_yaml
from bnexp.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("5e-4", 0.0005),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("off", "off"),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("y", "y"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("2026-11-20", "2026-11-20"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("batch", "batch"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text, value):
    read = read_yaml(f"key: {text}", "f").plain()["key"]

    assert read == value
    assert type(read) is type(value)


def test_every_value_and_key_knows_its_line_and_column():
    root = read_yaml("a: 1\nb:\n  - x\n  - {c: 2}\n", "f")

    inner = root.value["b"].value[1]
    assert root.value["b"].value[0].position == Position("f", 3, 5)
    assert inner.key_position("c") == Position("f", 4, 6)
    assert inner.value["c"].position == Position("f", 4, 9)


def test_all_duplicate_keys_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        read_yaml("a: 1\na: 2\nb: 3\nb: 4\n", "f")

    assert [problem.line for problem in caught.value.problems] == [2, 4]


@pytest.mark.parametrize("code", [0x85, 0xA0, 0x200B, 0x2028, 0x3000, 0xFE0F, 0xFFF9, 0xE0020])
def test_an_invisible_character_is_named_with_its_column(code):
    with pytest.raises(ConfigError, match=rf"c:2:5: an invisible character here, U\+{code:04X} "):
        read_yaml(f"a: 1\nb:  {chr(code)}2", "c")
    assert read_yaml(f"a: '{chr(code)}' # {chr(code)}", "c").plain()["a"] in (chr(code), " ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {b: 1}}", "c:1:10: not valid YAML: this } closes nothing"),
        ("a: [1]]", "c:1:7: not valid YAML: this ] closes nothing"),
        ("a: 'it's'", "c:1:8: not valid YAML: a text behind a closed quote or a bracket"),
        ("a: b: c", "c:1:5: not valid YAML: a colon that makes no key here"),
        ("a:\n\tb: 1", "c:2:1: not valid YAML: a tab; YAML indents with spaces"),
    ],
)
def test_wrong_syntax_is_explained_in_plain_words(text, said):
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "c")
    assert str(caught.value).startswith(said)

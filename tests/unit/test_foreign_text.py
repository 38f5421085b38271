import unicodedata

import pytest

from bnexp.foreign_text import (
    escape_markdown,
    hide_secrets,
    shareable,
    shorten,
    shorten_words,
    visible,
    visible_lines,
)


def test_no_character_is_left_that_nobody_sees():
    every = "".join(map(chr, range(0x110000)))
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    odd = [one for one in visible(every) if unicodedata.category(one) in kinds]
    prepended = [one for one in odd if unicodedata.bidirectional(one) not in {"AN", "AL", "L"}]
    assert prepended == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31m\a", r"a\x1b[31m\x07"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x85\u2028\u202e\u2066\u200b", r"\x85\u2028\u202e\u2066\u200b"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
        ("Größe ± 3 %, norm=batch ✓ 規格", "Größe ± 3 %, norm=batch ✓ 規格"),
    ],
)
def test_what_nobody_sees_is_written_out_and_all_else_stays(text, shown):
    assert visible(text) == shown


def test_only_line_breaks_part_lines():
    assert visible_lines("a\nb\x0bc\u2028d") == "a\nb\\x0bc\\u2028d"


def test_a_long_text_is_shortened_to_what_fits():
    assert (shorten("a" * 30), shorten("a" * 31)) == ("a" * 30, "a" * 29 + "…")
    assert shorten("\x1b" * 10**6, 10) == r"\x1b\x1b\…"


def test_only_endless_words_of_a_sentence_are_shortened():
    assert shorten_words(f"no '{'x' * 99}' in /a/{'b' * 50}/c") == (
        f"no '{'x' * 29}…' in /a/{'b' * 50}/c"
    )


SECRETS = [
    "ghp_" + "a1B2c3D4e5" * 3,
    "hf_" + "abcdefghij" * 3,
    "AKIAIOSFODNN7EXAMPLE",
    "sk-proj-" + "abc123-" * 4,
    "glpat-" + "x" * 20,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "A1b2C3d4E5f6G7h8I9j0K1l2",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", ["{}", "-s data.x={}", "x: '{}'", "https://host/?q={}&a=b"])
def test_what_looks_like_a_secret_is_hidden(secret, form):
    text = form.format(secret)
    assert secret not in hide_secrets(text)
    assert "***" in hide_secrets(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("data.api_key=abc", "data.api_key=***"),
        ("my_token: abc", "my_token: ***"),
        ('{"password": "abc"}', '{"password": "***"}'),
        ("https://me:pass@host/x", "https://me:***@host/x"),
        ("https://h/?access_key=abc&b=1", "https://h/?access_key=***&b=1"),
    ],
)
def test_the_value_of_a_secret_key_is_hidden(text, shown):
    assert hide_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "model.norm.name=batch",
        "0123456789abcdef" * 4,
        "ResNet50_Weights.IMAGENET1K_V2",
        "norm=batch,batch_size=8,learning_rate=0.001",
        "model.layers=[{conv: 32}, {pool: max}]",
        "tokens: 5, http://localhost:6006/, train/accuracy, images/s, 1/2, ../x, runs/x",
    ],
)
def test_what_is_no_secret_and_no_path_stays(text):
    assert shareable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ann/study/x.yaml", "~/study/x.yaml"),
        ("data.root=/Users/ann/data, /home/ann", "data.root=~/data, ~"),
        (r"C:\Users\ann\x", r"~\x"),
        ("/scratch/ann/data/cifar and (/root/x)", "…/cifar and (…/x)"),
        (r"D:\ann\data\cifar", "…/cifar"),
    ],
)
def test_a_shared_path_names_no_user_and_no_folder(text, shown):
    assert shareable(text) == shown


def test_secrets_and_paths_are_found_in_time_that_grows_with_the_text():
    for piece in (
        "a",
        "aA1",
        "/a",
        "x/",
        "://",
        "api_key",
        "token ",
        "eyJ.",
        "-----BEGIN ",
        "/home/",
    ):
        assert shareable(piece * 50_000)


def test_markdown_leaves_numbers_and_keys_as_they_are():
    assert escape_markdown("val_size: +1.2 [−3.0, 4.5], p < 0.05") == (
        "val_size: +1.2 [−3.0, 4.5], p < 0.05"
    )

"""Row 11 of the fault matrix: broken configs are told in words, at once, and nothing is done."""

import re

import pytest
from many_commands import HEAD, run_all, train_all

MOST_MEGABYTES = 200
MOST_SECONDS = 1.0

NINE_TENS = ", ".join(f"data.key{i}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for i in range(9))
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

CORPUS = {
    "alias bomb": (ALIASES, "1:4: the anchor '&a' is not allowed"),
    "alias": ("a: *b\n", "1:4: the alias '*b' is not allowed"),
    "merge key": ("<<: {name: x}\n", "1:1: <<: unknown key"),
    "depth 10,000 of lists": ("[" * 10_000, "1:21: nested deeper than 20 levels"),
    "depth 10,000 of mappings": ("{a: " * 10_000, "1:81: nested deeper than 20 levels"),
    "depth 10,000 of dashes": ("- " * 10_000, "1:41: nested deeper than 20 levels"),
    "depth 10,000 of keys": ("? " * 10_000, "1:41: nested deeper than 20 levels"),
    "depth by indentation": (
        "".join(f"{' ' * depth}a:\n" for depth in range(1000)),
        "21:21: nested deeper than 20 levels",
    ),
    "depth of a dotted key": (
        HEAD + "sweep: {grid: {? " + ".".join("a" * 10_000) + " : [1]}}\n",
        "4:18: sweep.grid.a.a.a.a.a",
    ),
    "tag that runs code": (
        "name: !!python/object/apply:os.system ['touch hacked']\n",
        "1:7: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed",
    ),
    "tag of another kind": (HEAD + "train: !!str 3\n", "4:8: the tag"),
    "duplicate keys": (HEAD + "name: again\n", "4:1: the key 'name' is repeated here"),
    "duplicate keys inside": (
        HEAD + "train: {epochs: 1, epochs: 2}\n",
        "4:20: the key 'epochs' is repeated here",
    ),
    "1e-3 for a whole number": (
        HEAD + "train: {epochs: 1e-3}\n",
        "4:17: train.epochs: must be a whole number, not 0.001",
    ),
    "off for a boolean": (
        HEAD + "train: {compile: off}\n",
        "4:18: train.compile: must be true or false, not 'off'",
    ),
    "leading zero": (HEAD + "train: {epochs: 012}\n", "4:17: '012' has a leading zero"),
    "sexagesimal": (HEAD + "train: {epochs: 1:30}\n", "4:17: train.epochs: must be a whole number"),
    "a number of 400 digits": (
        HEAD + f"train: {{epochs: {'9' * 400}}}\n",
        "4:17: the number 999999999999999… is too large",
    ),
    "not a number": (HEAD + "optim: {name: sgd, learning_rate: .nan}\n", "4:35: optim.learning"),
    "10^9 cells": (
        HEAD + f"sweep: {{grid: {{{NINE_TENS}}}}}\n",
        "4:8: sweep: 1,000,000,000 runs are more than sweep.max_runs, 10,000",
    ),
    "10^9 cells, nearly all excluded": (
        HEAD + f"sweep:\n  grid: {{{NINE_TENS}}}\n  exclude: [{{data.key0: [0, 1, 2, 3]}}]\n",
        "5:3: sweep: 1,000,000,000 runs, counted before sweep.exclude, are more than",
    ),
    "10^9 seeds": (
        HEAD + "sweep: {seeds: 1000000000}\n",
        "4:8: sweep: 1,000,000,000 runs are more than sweep.max_runs, 10,000",
    ),
    "an include of 4,000 keys": (
        HEAD + "sweep: {include: [{" + ", ".join(f"a.b{i}: 1" for i in range(4000)) + "}]}\n",
        "4:19: sweep.include.0: sets more than 100 keys",
    ),
    "30,000 values": (f"a: [{'1, ' * 30_000}]\n", "1:44993: more than 15,000 values"),
    "two documents": (HEAD + "---\n" + HEAD, "4:1: a second YAML document"),
    "empty file": ("", "1:1: the file is empty"),
    "only blanks": (" \n\n", "1:1: the file is empty"),
    "only a byte-order mark": ("\ufeff", "1:1: the file is empty"),
    "binary junk": (bytes(range(256)) * 4, "2:118: not UTF-8 text"),
    "a compressed file": (b"\x1f\x8b\x08\x00" + bytes(range(128, 256)), "1:2: not UTF-8 text"),
    "UTF-16": (HEAD.encode("utf-16"), "1:1: not UTF-8 text"),
    "NUL": ("name: a\0b\n", "1:8: the character U+0000 is not allowed"),
    "NUL by escape": ('name: "a\\0b"\n' + HEAD.partition("\n")[2], "1:7: name: names a folder"),
    "half a surrogate pair": ('name: "\\ud800"\n', "1:7: the character U+D800 is not allowed"),
    "tabs": (HEAD + "train:\n\tepochs: 1\n", "5:1: not valid YAML: a tab"),
    "an open quote": (
        HEAD + "train: 'x\n",
        "4:8: not valid YAML: the ' that opens here",
    ),
    "an open list": (
        HEAD + "train: [1\n",
        "4:8: not valid YAML: the [ that opens here",
    ),
    "a list": ("- a\n", "1:1: a config is a mapping of keys to values; this is a list"),
    "a scalar of 900 kB": ("a" * 900_000, "1:1: a config is a mapping of keys to values; this is"),
    "itself as base": (HEAD + "extends: itself-as-base.yaml\n", "4:10: extends: the files extend"),
    "a device as base": (HEAD + "extends: /dev/zero\n", "4:10: extends: no file '/dev/zero'"),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Trains every config of the corpus, each in its own file, and returns what was said."""
    return train_all({key: text for key, (text, _) in CORPUS.items()}, tmp_path_factory)


@pytest.mark.parametrize("key", CORPUS)
def test_row_11_a_broken_config_is_told_with_file_line_and_column(key, corpus):
    file, (code, said, printed) = corpus.files[key], corpus.ends[key]

    assert (code, printed) == (2, "")
    assert said.startswith(f"{file}:{CORPUS[key][1]}")
    assert all(re.match(r"[\w.-]+:\d+:\d+: ", line) for line in said.splitlines())
    assert "Traceback" not in said


def test_row_11_the_corpus_takes_less_than_200_megabytes(corpus):
    if corpus.megabytes is None:
        pytest.skip("the system does not say how much memory a process took")

    assert corpus.megabytes < MOST_MEGABYTES


@pytest.mark.parametrize("key", CORPUS)
def test_row_11_a_broken_config_takes_less_than_a_second_of_the_processor(key, corpus):
    assert corpus.seconds[key] < MOST_SECONDS


def test_row_11_what_is_no_readable_file_is_told_with_its_path(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "large.yaml").write_bytes(b"a: 1\n" * 300_000)
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    reasons = {
        "none.yaml": "cannot read the config: No such file or directory",
        "folder.yaml": "cannot read the config: Is a directory",
        "large.yaml": "larger than 1,000,000 bytes; this is not a config",
        "loop.yaml": "cannot read the config: Too many levels of symbolic links",
        "/dev/zero": "larger than 1,000,000 bytes; this is not a config",
        f"{'x' * 300}.yaml": "cannot read the config: File name too long",
    }

    results = run_all([["plan", path] for path in reasons], tmp_path)

    for (path, reason), result in zip(reasons.items(), results, strict=True):
        place = result[1].removeprefix("error: ").removesuffix(f": {reason}\n")
        assert (result[0], result[2]) == (2, "")
        # Of a long path both ends are shown.
        assert place == path or re.fullmatch(r"x{90,}…x+\.yaml", place), result[1]


def test_row_11_numbers_and_words_are_those_of_yaml_1_2(tmp_path):
    text = HEAD + "optim: {name: sgd, learning_rate: 1e-3}\nsweep: {grid: {data.root: [off, no]}}\n"
    (tmp_path / "c.yaml").write_text(text)

    ((code, said, printed),) = run_all([["plan", "c.yaml"]], tmp_path)

    assert (code, said) == (0, "")
    assert "root=off" in printed
    assert "root=no" in printed


def test_row_11_a_process_of_its_own_exits_with_2_and_no_traceback(started_bnexp, tmp_path):
    (tmp_path / "c.yaml").write_text(ALIASES)

    done = started_bnexp("train", "c.yaml", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("c.yaml:1:4: the anchor '&a' is not allowed")
    assert "Traceback" not in done.stderr

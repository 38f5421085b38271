"""No config makes the reader slow, large or fall over: files, cells and seeds are bounded."""

import tracemalloc

import pytest

from bnexp.config.load import load_experiment
from bnexp.config.yaml import tree
from bnexp.errors import ConfigError, UsageError

GOOD = """\
name: trial
data: {name: cifar10}
model: {name: cnn, layers: [{conv: 8}]}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(here, text):
    (here / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_experiment((here / "c.yaml").relative_to(here))
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "sweep",
    [
        "{seeds: 1000000000}",
        "{grid: {" + ", ".join(f"data.k{i}: {list(range(10))}" for i in range(9)) + "}}",
    ],
    ids=["seeds", "grid"],
)
def test_a_sweep_of_a_thousand_million_runs_is_refused_before_it_is_built(sweep, here):
    tracemalloc.start()
    told = refused(here, GOOD + f"sweep: {sweep}\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert told[0] == "c.yaml:4:8: sweep: 1,000,000,000 runs are more than sweep.max_runs, 10,000"
    assert peak < 10_000_000


def test_nobody_may_ask_for_so_many_runs_that_memory_ends(here):
    # 2 thousand million runs were built, until the system killed the process.
    told = refused(here, GOOD + "sweep: {seeds: 2147483648, max_runs: 9007199254740991}\n")

    assert "c.yaml:4:38: sweep.max_runs: must be at most 100000, not 9007199254740991" in told


def test_a_count_of_runs_too_long_to_write_is_refused(here):
    axes = ", ".join(f"data.k{i}: [1, 2]" for i in range(2000))

    assert "more than 10^18 runs" in refused(here, GOOD + f"sweep: {{grid: {{{axes}}}}}\n")[0]


def test_a_file_that_is_extended_often_is_read_once(here, monkeypatch):
    read = []
    real = tree.read_yaml_file
    monkeypatch.setattr(tree, "read_yaml_file", lambda path: read.append(path.name) or real(path))
    for number in range(17):
        (here / f"{number}.yaml").write_text(f"extends: [{number + 1}.yaml, {number + 1}.yaml]\n")
    (here / "17.yaml").write_text(GOOD)

    assert load_experiment(here / "0.yaml").name == "trial"
    assert read == [f"{number}.yaml" for number in range(18)]


def test_too_many_files_are_told_once(here):
    for number in range(60):
        (here / f"{number}.yaml").write_text("train: {seed: 1}\n")
    files = ", ".join(f"{number}.yaml" for number in range(60))

    assert refused(here, f"extends: [{files}]\n{GOOD}") == [
        "c.yaml:1:451: extends: more than 50 files; extend fewer"
    ]


def test_files_that_extend_each_other_too_deep_are_refused(here):
    for number in range(60):
        (here / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")

    assert refused(here, f"extends: 0.yaml\n{GOOD}") == [
        "18.yaml:1:10: extends: the files extend each other more than 20 deep"
    ]


def test_a_wrong_base_is_told_once_however_often_it_is_extended(here):
    (here / "bad.yaml").write_text("a: [\n")

    assert len(refused(here, f"extends: [{', '.join(['bad.yaml'] * 9)}]\n{GOOD}")) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ('"a\\0b"', r"cannot read 'a\0b': embedded null byte"),
        ("x" * 5000, f"cannot read '{'x' * 29}…': File name too long"),
        (".", "'.' is a folder"),
        ("not-text.yaml", "not-text.yaml:1:1: not UTF-8 text; save the file as UTF-8"),
    ],
    ids=["NUL", "too long", "folder", "not text"],
)
def test_a_base_that_cannot_be_read_is_told_at_its_item(name, reason, here):
    (here / "not-text.yaml").write_bytes(b"\xff")

    expected = reason if reason.startswith("not-text") else f"c.yaml:4:10: extends: {reason}"
    assert refused(here, GOOD + f"extends: {name}\n") == [expected]


def test_a_circle_of_links_is_told_at_its_item(here):
    (here / "loop.yaml").symlink_to("loop.yaml")

    (told,) = refused(here, GOOD + "extends: loop.yaml\n")

    assert told.startswith("c.yaml:4:10: extends: ")
    assert "loop.yaml" in told


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\0b", r"a\\0b: cannot read the config: embedded null byte"),
        ("x" * 5000, "x{150}…x{100}: cannot read the config: File name too long"),
    ],
    ids=["NUL", "too long"],
)
def test_a_config_path_that_is_none_is_told(name, reason, here):
    with pytest.raises(UsageError, match=f"^{reason}$"):
        load_experiment((here / name).relative_to(here))


def test_a_key_too_deep_is_refused(here):
    key = ".".join("a" * 3000)

    assert refused(here, GOOD + f"sweep: {{grid: {{? {key} : [1]}}}}\n")[-1].endswith(
        "goes deeper than 20 levels"
    )
    (here / "c.yaml").write_text(GOOD)
    with pytest.raises(ConfigError, match="goes deeper than 20 levels"):
        load_experiment(here / "c.yaml", [f"{key}=1"])

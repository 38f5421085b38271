"""docs/tutorial.md does what it shows: its commands, its Python, its YAML and its figures."""

import contextlib
import io
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

import bnexp
from bnexp.config.load import load_experiment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(found[1], found[2]) for found in BLOCK.finditer(PAGE)]
README = "Supported: with batch norm, the net is better"
"""How the block begins that is quoted from the README."""
GHOSTS = "normalization_batch_size=128"
ONLY_LISTS = """
import bnexp.reports.tensorboard.serve as serving
serving.serve = lambda shown, *_: print(*shown.find_links()) or 0
"""
"""TensorBoard itself is left out."""


def squeeze(text):
    return " ".join(text.split())


def needs_no_run(words):
    is_config = words[1].endswith(".yaml")
    return words[0] == "plan" or (words[0] == "show" and is_config) or "list" in words


class Reader:
    """Follows the page from top to bottom, in the folder of a checkout.

    One in a hurry leaves out what trains, and what shows what was trained.
    """

    def __init__(self, folder, forks, is_in_a_hurry=False):
        self.folder, self._forks = folder, forks
        self._is_in_a_hurry = is_in_a_hurry
        self._names = {}
        self._is_python, self._printed = False, ""
        self.said = {}
        """What each command printed."""
        self.shown = []
        """Of each output on the page: whether it is Python's, the output, and what was printed."""

    def follow(self, kind, text):
        """Does what a block says, or keeps what it shows."""
        {
            "python": self.run_python,
            "sh": self.run_commands,
            "yaml": self.read_or_write,
            "text": self.collect,
        }[kind](text)

    def run_python(self, text):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(text, self._names)
        self._is_python, self._printed = True, printed.getvalue()

    def run_commands(self, text):
        for line in text.splitlines():
            program, *words = shlex.split(line.replace("--tier cpu", "--tier smoke"))
            assert program == "bnexp"
            self._is_python, self._printed = False, None
            if self._is_in_a_hurry and not needs_no_run(words):
                continue
            # Without a number, it would first time how many are best.
            jobs = ["--jobs", "2"] if words[0] == "study" and words[1] != "list" else []
            before = ONLY_LISTS if words[0] == "tb" else ""
            fork = self._forks.start(
                *words, *jobs, cwd=self.folder, before=before, COLUMNS="80", NO_COLOR="1"
            )
            fork.wait(seconds=900)
            assert fork.code == 0, f"{line}\n{fork.said}"
            self.said[line] = self._printed = fork.said

    def read_or_write(self, text):
        """A block names its file first: one that is there holds it, any other is written."""
        name, _, content = text.partition("\n")
        path = self.folder / name.removeprefix("# ")
        if path.exists():
            assert content.removeprefix("claim:\n") in path.read_text(encoding="utf-8")
        else:
            path.write_text(content, encoding="utf-8")

    def collect(self, text):
        if not text.startswith(README) and self._printed is not None:
            self.shown.append((self._is_python, text, self._printed))


def follow_page(folder, *options):
    shutil.copytree(ROOT / "configs", folder / "configs")
    reader = Reader(folder, *options)
    for kind, text in BLOCKS:
        reader.follow(kind, text)
    return reader


@pytest.fixture(scope="module")
def reader(tmp_path_factory, forks):
    """Somebody who has done all that the page says."""
    return follow_page(tmp_path_factory.mktemp("checkout"), forks)


def read_table(header):
    """Returns the rows of the page's table that begins with these words."""
    lines = PAGE.partition(f"\n| {header} |")[2].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


def percent(cell):
    return float(cell.removesuffix("%")) / 100


def read_summary(reader, run):
    return json.loads((reader.folder / "runs" / run / "seed=0" / "summary.json").read_text())


def check_what_is_shown(reader):
    for is_python, shown, printed in reader.shown:
        if is_python:
            assert shown == printed
            continue
        rest = squeeze(printed)
        for part in map(squeeze, shown.split("…\n")):
            assert part in rest
            rest = rest.partition(part)[2]


@pytest.mark.slow
def test_everything_that_is_shown_is_printed(reader):
    check_what_is_shown(reader)
    assert len(reader.shown) > 12


def test_what_is_shown_without_training_is_printed(forks, tmp_path):
    reader = follow_page(tmp_path / "checkout", forks, True)

    check_what_is_shown(reader)
    assert len(reader.shown) > 5


def test_every_output_of_python_is_shown():
    kinds = [kind for kind, _ in BLOCKS]
    after = [kinds[place + 1] for place, kind in enumerate(kinds) if kind == "python"]
    assert set(after) == {"text"}


def test_the_quoted_verdict_is_that_of_the_readme():
    (quoted,) = (text for _, text in BLOCKS if text.startswith(README))
    assert quoted in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_running_statistics_are_as_cold_as_the_page_says(reader):
    for momentum, trained, evaluated, loss, precise_loss in read_table("momentum"):
        run = f"population-statistics.smoke/momentum={momentum},{GHOSTS}"
        found = read_summary(reader, run)["final"]

        assert found["train/accuracy"] == pytest.approx(percent(trained), abs=0.06)
        assert found["train_eval/accuracy"] == pytest.approx(percent(evaluated), abs=0.06)
        assert found["test/loss"] == pytest.approx(float(loss), abs=0.1)
        assert found["test_precise/loss"] == pytest.approx(float(precise_loss), abs=0.05)


@pytest.mark.slow
def test_momentum_plays_no_part_in_training(reader):
    runs = [
        read_summary(reader, f"population-statistics.smoke/momentum={momentum},{GHOSTS}")
        for momentum in ("0.1", "0.01")
    ]
    assert runs[0]["history"]["train/loss"] == runs[1]["history"]["train/loss"]
    assert runs[0]["final"]["test_precise/loss"] == runs[1]["final"]["test_precise/loss"]


@pytest.mark.slow
def test_learning_rates_train_as_the_page_says(reader):
    rates = re.search(r"^\| learning rate \| (.*) \|$", PAGE, re.MULTILINE)[1].split(" | ")
    for norm, row in zip(("none", "batch"), read_table("learning rate"), strict=True):
        for rate, shown in zip(rates, row[1:], strict=True):
            cell = f"norm={norm},learning_rate={rate},batch_size=512,epochs=8"
            found = read_summary(reader, f"learning-rate-ceiling.smoke/{cell}")
            if shown == "diverged":
                assert found["status"] == "diverged"
            else:
                assert found["final"]["train/accuracy"] == pytest.approx(percent(shown), abs=0.08)


@pytest.mark.slow
def test_gradients_vanish_where_the_page_says(reader):
    for placement, trained, *gradients in read_table("placement"):
        run = f"placement.smoke/activation=sigmoid,placement={placement}"
        metrics = reader.folder / "runs" / run / "seed=0" / "metrics.jsonl"
        rows = [json.loads(line) for line in metrics.read_text().splitlines()]

        final = read_summary(reader, run)["final"]
        assert final["train/accuracy"] == pytest.approx(percent(trained), abs=0.06)
        for layer, gradient in zip(("layers.0", "layers.5"), gradients, strict=True):
            tag = f"diag/gradient_norm/{layer}.conv"
            last = [row[tag] for row in rows if tag in row][-1]
            assert last == pytest.approx(float(gradient), rel=0.3)


@pytest.mark.slow
def test_the_smoke_tier_decides_none_of_the_eleven_claims(reader):
    studies = ("population-statistics", "learning-rate-ceiling", "placement")
    found = [bnexp.compare(f"{name}.smoke", runs_dir=reader.folder / "runs") for name in studies]

    verdicts = [claim.verdict for report in found for claim in report.claims]
    assert verdicts == ["inconclusive"] * 11


@pytest.mark.slow
def test_the_pictures_are_where_the_page_says(reader):
    page = (reader.folder / "sigmoids.html").read_text(encoding="utf-8")
    assert "gradient norm of each layer" in page
    assert "istakes" in page
    assert "comparison" in reader.said["bnexp tb placement.smoke"].split()


@pytest.mark.slow
def test_the_first_exercise_gets_a_verdict_as_it_stands(reader):
    (claim,) = bnexp.compare("mine.smoke", runs_dir=reader.folder / "runs").claims
    assert claim.verdict == "supported"


@pytest.mark.slow
def test_a_changed_claim_is_noticed(reader, forks):
    mine = reader.folder / "configs/studies/mine.yaml"
    mine.write_text(mine.read_text().replace("margin: 0.05", "margin: 0.1"))
    command = next(line for line in reader.said if "study configs/studies/mine.yaml" in line)

    ended = forks.complete(*shlex.split(command)[1:], cwd=reader.folder)
    assert "claims of 'mine', or their seeds, have changed" in ended.stderr


@pytest.mark.parametrize(
    ("number", "name", "changes"),
    [
        ("09-population-statistics", "fast", {"0.01, 0.1]": "0.5, 0.1]", ": 0.01,": ": 0.5,"}),
        (
            "01-learning-rate-ceiling",
            "ceiling",
            {"[none, batch]": "[none, layer]", "norm.name: batch": "norm.name: layer"},
        ),
    ],
)
def test_the_exercises_can_be_done(tmp_path, number, name, changes):
    shutil.copytree(ROOT / "configs/studies", tmp_path / "studies")
    text = (tmp_path / f"studies/{number}.yaml").read_text()
    for old, new in {f"name: {number[3:]}": f"name: {name}", **changes}.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / f"studies/{name}.yaml").write_text(text)

    runs = load_experiment(tmp_path / f"studies/{name}.yaml", [], "smoke").runs
    assert len(runs) == len(
        load_experiment(ROOT / f"configs/studies/{number}.yaml", [], "smoke").runs
    )

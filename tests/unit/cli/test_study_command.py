"""`bnexp study` trains what is left of the studies, stores what they found, and reports it all."""

import json
import re
import signal
from pathlib import Path

import pytest
from forks import wait_until

STUDY = """\
# Purpose: does batch norm help? A tiny check.
name: {name}
data: {{name: shapes, train_size: 100, val_size: 0, test_size: 40, batch_size: 20}}
model: {{name: cnn, layers: [{{conv: 4}}, {{pool: max, size: 4}}]}}
optim: {{name: sgd, learning_rate: 0.05}}
train: {{epochs: 1, device: cpu, threads: 1}}
diagnostics: []
sweep: {{seeds: 3, grid: {{model.norm.name: [none, batch]}}}}
claim:
  statement: the test loss is {direction} with batch norm
  source: nobody
  metric: test/loss
  treatment: {{model.norm.name: batch}}
  control: {{model.norm.name: none}}
  direction: {direction}
  margin: 0.01
tiers: {{smoke: {{}}}}
"""


@pytest.fixture
def study(tmp_path, bnexp):
    """Runs the command, on two studies in an empty folder."""
    (tmp_path / "one.yaml").write_text(STUDY.format(name="one", direction="lower"))
    (tmp_path / "two.yaml").write_text(STUDY.format(name="two", direction="higher"))
    return lambda *words: bnexp("study", *words, "--tier", "smoke", "--jobs", "1", cwd=tmp_path)


@pytest.fixture
def results(tmp_path):
    return tmp_path / "runs" / "_studies" / "smoke"


def test_studies_are_declared_trained_apart_and_reported_together(study, results):
    declared = study("one.yaml", "two.yaml", "--declare")
    assert declared.returncode == 0
    assert "2 studies with 2 claims" in declared.stdout
    assert [line.split() for line in declared.stdout.splitlines()[-2:]] == [
        [name, "1", "2", "3", "0", "6"] for name in ("one", "two")
    ]
    assert [path.name for path in results.iterdir()] == ["family.json"]

    first = study("one.yaml")
    assert first.returncode == 0, first.stderr
    assert "2 claims: 1" in first.stdout
    assert "1 not run yet." in first.stdout
    stored = json.loads((results / "one.json").read_text())
    assert stored["runs"] == {"finished": 6}

    second = study("two.yaml")
    assert second.returncode == 0
    assert "not run yet" not in second.stdout
    assert study("--report").stdout == second.stdout


@pytest.mark.parametrize("is_declared_first", [True, False])
def test_claims_about_the_same_runs_that_another_study_had_first_were_declared_before(
    is_declared_first, study, results
):
    """The two have the same runs by their fingerprints."""
    if is_declared_first:
        study("one.yaml", "two.yaml", "--declare")
        study("one.yaml")
        ended = study("two.yaml")
    else:
        ended = study("one.yaml", "two.yaml")

    stored = [json.loads((results / f"{name}.json").read_text()) for name in ("one", "two")]
    assert {one["attempts"][0]["is_planned"] for one in stored} == {True}
    assert "xploratory" not in ended.stdout


def test_a_study_that_is_declared_after_the_results_is_exploratory(study):
    study("one.yaml", "--results", "first")

    assert "xploratory" in study("two.yaml", "--results", "second").stdout


def test_a_study_with_a_result_is_not_trained_again_even_without_its_runs(study, results, tmp_path):
    shown = study("one.yaml").stdout
    (tmp_path / "runs" / "one.smoke").rename(tmp_path / "elsewhere")
    before = (results / "one.json").read_bytes()

    again = study("one.yaml")
    assert (again.returncode, again.stdout) == (0, shown)
    assert not (tmp_path / "runs" / "one.smoke").exists()
    assert (results / "one.json").read_bytes() == before


def test_a_study_that_fails_does_not_stop_the_others(study, results, tmp_path):
    text = STUDY.format(name="one", direction="lower")
    big = "{conv: 65536, kernel_size: 1}, {conv: 65536, kernel_size: 301}"
    (tmp_path / "one.yaml").write_text(text.replace("{conv: 4}", big))
    ended = study("one.yaml", "two.yaml")

    assert ended.returncode == 1
    assert not (results / "one.json").exists()
    assert (results / "two.json").exists()
    assert "1 not run yet." in ended.stdout


def test_a_report_links_to_a_figure_and_a_comparison_that_show_its_verdict(study, tmp_path):
    shown = study("one.yaml", "--format", "md", "--html", "report.html").stdout
    links = re.findall(r"\]\((\S+)\)", shown)

    assert {Path(link).name for link in links} == {"claim_1.png", "comparison.md"}
    assert all((tmp_path / link).is_file() for link in links)
    verdict = re.search(r"\*\*(\w[^:]*):\*\* the test loss", shown)[1]
    compared = next(Path(tmp_path, link) for link in links if link.endswith(".md"))
    assert f"**{verdict}:** the test loss" in compared.read_text()
    assert "data:image/png;base64," in (tmp_path / "report.html").read_text()
    events = (tmp_path / "runs/_studies/smoke/_tensorboard/studies").glob("events.*")
    assert len([*events]) == 1

    said = " ".join(study("one.yaml").stderr.split())
    assert "bnexp study --report --tier smoke --html studies.html" in said
    assert "tensorboard --logdir runs/_studies/smoke/_tensorboard" in said


def test_ctrl_c_ends_with_130_and_the_command_to_go_on(tmp_path, forks):
    (tmp_path / "one.yaml").write_text(
        STUDY.format(name="one", direction="lower").replace("epochs: 1", "epochs: 500")
    )
    words = ("study", "one.yaml", "--tier", "smoke", "--jobs", "1")
    command = forks.start(*words, cwd=tmp_path)
    wait_until(lambda: "epoch 1/500" in command.said)
    command.send_signal(signal.SIGINT)

    assert command.wait() == 130
    assert "the same command continues" in command.said
    assert "bnexp study one.yaml --tier smoke --jobs 1" in command.said
    assert not (tmp_path / "runs" / "_studies" / "smoke" / "one.json").exists()


def test_the_list_says_how_the_claims_came_out(study, results, monkeypatch):
    shown = study("list").stdout
    assert shown.count("learning-rate-ceiling") == 1
    assert "verdicts" not in shown
    study("learning-rate-ceiling", "--declare")
    assert "not run yet" in study("list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name studies, or give --all"),
        (("one.yaml", "--all"), "name studies, or give --all"),
        (("nothing",), "no study 'nothing'"),
        (("nothing.yaml",), "nothing.yaml"),
        (("--report",), "there is no report in"),
        (("--report", "one.yaml"), "leave the names out"),
        (("--report", "--declare"), "give it or --declare"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(study, words, said):
    ended = study(*words)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr

"""`bnexp study` trains what is left of the studies, stores what they found, and reports it all."""

import json

import pytest

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
    assert [path.name for path in results.iterdir()] == ["family.json"]

    first = study("one.yaml")
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("not run yet") == 1
    stored = json.loads((results / "one.json").read_text())
    assert stored["runs"] == {"finished": 6}

    second = study("two.yaml")
    assert (second.returncode, second.stdout.count("not run yet")) == (0, 0)
    assert study("--report").stdout == second.stdout


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
    assert ended.stdout.count("not run yet") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name studies, or give --all"),
        (("one.yaml", "--all"), "name studies, or give --all"),
        (("nothing",), "no study 'nothing'"),
        (("nothing.yaml",), "nothing.yaml"),
        (("--report",), "there is no report in"),
        (("--report", "one.yaml"), "name none"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(study, words, said):
    ended = study(*words)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr

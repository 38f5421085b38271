"""A short round of scripts/benchmark.py, for its checks and not for its times."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SHORT = ["--networks", "tutorial", "--images", "200", "--test-images", "100", "--epochs", "1",
         "--rounds", "2", "--precision", "fp32"]  # fmt: skip


@pytest.fixture(scope="module")
def training():
    sys.path.insert(0, str(SCRIPTS))
    from benchmarks import training

    yield training
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def run(training, monkeypatch):
    """Runs the command without Lightning, which the tests do not need."""
    import benchmark

    monkeypatch.setattr(training, "find_spec", lambda name: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *SHORT, *map(str, arguments)])
        benchmark.main()

    return run


def test_a_short_round_passes_its_own_checks(run, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- training: measured -->\n<!-- training: end -->\n", "utf-8")
    run("--json", tmp_path / "out.json", "--into", page)
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    sides = found["networks"]["tutorial"]
    assert {*sides} == {"usual 0 workers", "usual 2 workers", "bnexp fp32", "floor fp32",
                        "bnexp fp32 again"}  # fmt: skip
    for figures in sides.values():
        assert len(figures["images_per_second"]) == 2
    assert len(sides["bnexp fp32"]["training_images_per_second"]) == 2
    assert {"command", "machine", "versions"} <= {*found}
    printed = capsys.readouterr().out
    assert page.read_text("utf-8").startswith("Before.\n<!-- training: measured -->\n**tutorial**")
    assert printed.strip() in page.read_text("utf-8")


def test_a_side_that_skips_training_fails_the_benchmark(run, training, monkeypatch):
    from benchmarks.sides import usual
    from benchmarks.sides.outcome import Outcome

    monkeypatch.setattr(usual, "train_usually", lambda *_: Outcome(0.1))
    with pytest.raises(SystemExit, match="usual 2 workers trained 0 pictures in 0 steps, not 200"):
        run()


@pytest.fixture
def outcomes(training):
    """Of three sides in five rounds, all as they should be."""
    from benchmarks.sides.outcome import Outcome

    network = training.NETWORKS["tutorial"]
    sizes = {"steps": network.steps, "images": network.epochs * network.images}

    def side(seconds):
        accuracies = (0.40, 0.43, 0.41, 0.44, 0.42)
        return [
            Outcome(accuracy, 0.8 * seconds, seconds=seconds, **sizes) for accuracy in accuracies
        ]

    return {"usual 2 workers": side(4.0), "bnexp fp32": side(1.1), "floor fp32": side(1.0)}


@pytest.fixture
def find_problems(training):
    return lambda outcomes: [*training.find_problems(training.NETWORKS["tutorial"], outcomes)]


def test_sound_figures_are_no_problem(outcomes, find_problems):
    assert find_problems(outcomes) == []


def test_another_accuracy_is_a_problem(outcomes, find_problems):
    outcomes["bnexp fp32"] = [replace(run, accuracy=0.3) for run in outcomes["bnexp fp32"]]
    (problem,) = find_problems(outcomes)
    assert "differ by more than noise" in problem
    assert "bnexp fp32 30.0%" in problem


def test_an_accuracy_that_is_no_number_is_a_problem(outcomes, find_problems):
    outcomes["bnexp fp32"][0] = replace(outcomes["bnexp fp32"][0], accuracy=float("nan"))
    assert find_problems(outcomes)


@pytest.mark.parametrize("part", ["seconds", "training_seconds"])
def test_a_side_faster_than_the_floor_is_a_problem(outcomes, find_problems, part):
    outcomes["bnexp fp32"] = [replace(run, **{part: 0.7}) for run in outcomes["bnexp fp32"]]
    (problem,) = find_problems(outcomes)
    assert "times as fast as the floor" in problem


def test_few_rounds_show_nothing(outcomes, find_problems):
    outcomes["bnexp fp32"] = [replace(run, seconds=0.7) for run in outcomes["bnexp fp32"]]
    assert find_problems({side: runs[:4] for side, runs in outcomes.items()}) == []


def test_one_lucky_round_is_not_faster_than_the_floor(outcomes, find_problems):
    outcomes["bnexp fp32"][0] = replace(outcomes["bnexp fp32"][0], seconds=0.7)
    assert find_problems(outcomes) == []


def test_plain_networks_are_those_of_the_configs(training):
    from bnexp.config.experiment import ExperimentConfig

    for network in training.NETWORKS.values():
        config = ExperimentConfig.model_validate(
            {"name": "benchmark", "data": {"name": "shapes"}, "model": network.config}
        )
        shapes = [
            sorted(tuple(value.shape) for value in model.parameters())
            for model in (network.build(), config.model.build((32, 32, 3), 10))
        ]
        assert shapes[0] == shapes[1]

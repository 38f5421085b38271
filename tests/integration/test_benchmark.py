"""A short round of scripts/benchmark.py, for its checks and not for its times."""

import argparse
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
def start(training, monkeypatch):
    """Runs the command in this process."""
    import benchmark

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, arguments)])
        benchmark.main()

    return start


@pytest.fixture
def run(start, training, monkeypatch):
    """Runs a short round without Lightning, which the tests do not need."""
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    return lambda *arguments: start(*SHORT, *arguments)


@pytest.fixture
def find_figures(start, tmp_path):
    """Runs a subject, and returns its figures."""

    def find(*arguments):
        start(*arguments, "--json", tmp_path / "out.json")
        return json.loads((tmp_path / "out.json").read_text("utf-8"))

    return find


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


def test_every_part_of_a_step_takes_time(find_figures, training, monkeypatch):
    short = replace(training.NETWORKS["tutorial"], test_images=100, epochs=1)
    monkeypatch.setitem(training.NETWORKS, "tutorial", short)
    steps = find_figures("steps", "--images", 200, "--rounds", 1)["steps"]
    assert all(seconds > 0 for own in steps.values() for seconds in own), steps


@pytest.mark.parametrize(
    ("asked", "slowdown", "precisions"),
    [(None, 1.0, ["fp32", "bf16"]), (None, 10.0, ["fp32"]), ("bf16", 10.0, ["fp32", "bf16"])],
)
def test_bf16_is_measured_if_it_is_fast_or_asked_for(
    training, monkeypatch, asked, slowdown, precisions
):
    monkeypatch.setattr(training, "measure_bf16_slowdown", lambda: slowdown)
    found, notes = training.choose_precisions(asked)
    assert [*found] == precisions
    assert len(notes) == (precisions == ["fp32"])


@pytest.fixture
def verdict(training):
    from benchmarks import verdict

    return verdict


def test_planned_looks_have_the_power_of_the_fixed_seeds(verdict):
    fixed, planned, seeds = verdict.compare_designs()
    assert planned == pytest.approx(fixed, abs=0.01)
    assert verdict.FEWEST < seeds < verdict.FIXED


@pytest.fixture
def decided(verdict):
    """What a side decided after so many seconds and seeds."""

    def decide(seconds, seeds=8, shift=0.0, ending="supported"):
        control = [0.3 + shift + 0.01 * (seed % 3) for seed in range(seeds)]
        treatment = [value + 0.01 + 0.005 * (seed % 2) for seed, value in enumerate(control)]
        accuracies = {"control": control, "treatment": treatment}
        return [verdict.Decided(seconds, ending, accuracies)]

    return decide


@pytest.fixture
def report(verdict):
    network = verdict.build_network(5000, 2000, 4)
    options = argparse.Namespace(jobs="auto", rounds=1)
    return lambda found: verdict.report(network, found, [], options)


def test_the_factors_of_a_verdict_multiply(report, decided):
    found = report({"usual": decided(120.0), "one": decided(40.0), "cores": decided(30.0),
                    "looks": decided(20.0, 5)})  # fmt: skip
    assert [row[1].split()[0] for row in found.tables[1].rows] == ["3.00", "1.33", "1.50", "6.00"]
    assert "Goal: 5 times as fast as the usual loop: met." in found.notes
    assert found.problems == []


def test_a_verdict_that_stays_open_is_a_problem(report, decided):
    found = report({"usual": decided(120.0), "one": decided(40.0), "cores": decided(30.0),
                    "looks": decided(20.0, 10, ending="inconclusive")})  # fmt: skip
    assert found.problems == ["looks ended undecided: inconclusive"]


def test_sides_that_decide_about_other_networks_are_a_problem(report, decided):
    found = report({"usual": decided(120.0, shift=0.1), "one": decided(40.0),
                    "cores": decided(30.0), "looks": decided(20.0, 5)})  # fmt: skip
    assert all("differ by more than noise" in problem for problem in found.problems)
    assert len(found.problems) == 2


@pytest.mark.slow
def test_flops_are_counted_by_hand(find_figures):
    found = find_figures("limit", "--networks", "tutorial", "--rounds", 1)["limit"]
    # Forward, and the gradients of weights and inputs; the pictures have none.
    first, second, linear = 1024 * 16 * 27, 256 * 32 * 144, 2048 * 10
    assert found["flops"]["tutorial"] == 2 * (2 * first + 3 * second + 3 * linear)


@pytest.mark.slow
def test_each_norm_has_a_price(find_figures):
    assert len(find_figures("norms", "--rounds", 1)["norms"]) == 16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["startup", "--rounds", 1], "startup"),
        (["reading", "--runs", 10, "--rows", 2, "--many", 100, "--rounds", 1], "many"),
        (["diagnostics", "--images", 5000, "--rounds", 2], "diagnostics"),
    ],
)
def test_every_side_has_its_figures(find_figures, arguments, key):
    assert all(value > 0 for own in find_figures(*arguments)[key].values() for value in own)

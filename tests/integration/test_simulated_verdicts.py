"""A smaller version of scripts/simulate_verdicts.py: intervals hold, verdicts seldom err."""

import importlib.util
import sys
from math import sqrt
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate_verdicts.py"


@pytest.fixture
def simulation(monkeypatch):
    spec = importlib.util.spec_from_file_location("simulate_verdicts", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=[150, pytest.param(2000, marks=pytest.mark.slow)])
def experiments(request):
    return request.param


@pytest.fixture
def rates(simulation, experiments):
    scenarios = {scenario.name: scenario for scenario in simulation.SCENARIOS}
    return lambda name: simulation.simulate(scenarios[name], experiments, seed=1)


@pytest.fixture
def noise(experiments):
    """Three standard errors of a share that is estimated from the simulated experiments."""
    return lambda share: 3 * sqrt(share * (1 - share) / experiments)


@pytest.mark.parametrize("name", ["coverage, 3 paired seeds", "coverage, 5 paired seeds"])
def test_intervals_hold_the_truth_as_often_as_they_say(rates, noise, name):
    for rate in rates(name).values():
        assert rate == pytest.approx(0.95, abs=noise(0.95))


def test_with_six_cells_without_effect_seldom_any_is_called_better_or_worse(rates, noise):
    (rate,) = rates("no effect, 6 cells, 5 seeds").values()
    assert rate <= 0.05 + noise(0.05)


def test_a_claim_without_an_effect_is_seldom_supported(rates):
    found = rates("claim higher, no effect, 5 seeds")
    assert found["supported"] <= 0.05
    assert found["contradicted"] <= 0.05


def test_looks_seldom_support_what_is_not_there_and_their_intervals_hold(rates, noise):
    found = rates("looks at 3 to 20 seeds, no effect")
    assert found["supported"] + found["contradicted"] <= 0.05 + noise(0.05)
    assert found["interval at the end contains the truth"] >= 0.95 - noise(0.05)


@pytest.mark.parametrize("experiments", [50, pytest.param(2000, marks=pytest.mark.slow)])
def test_of_fourteen_claims_without_effect_seldom_any_is_supported(rates, noise):
    found = rates("14 claims without effect, 8 seeds")
    assert found["any claim supported"] <= 0.05 + noise(0.05)


def test_the_seeds_named_for_80_percent_power_have_it(rates, noise):
    found = rates("claim higher, effect = margin, 18 seeds")
    assert found["supported"] >= 0.8 - noise(0.8)
    assert found["contradicted"] <= 0.01


def test_a_difference_of_the_margin_is_seldom_called_equal(rates, noise):
    found = rates("claim equal, effect = margin, 10 seeds")
    assert found["supported"] <= 0.05 + noise(0.05)

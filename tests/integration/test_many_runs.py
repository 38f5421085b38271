"""Ten thousand runs are listed and compared as few are: every one counts, and rightly."""

import json
from statistics import mean, stdev

import pytest
from made_up_runs import final_accuracy, make_runs

CELLS, SEEDS = 200, 50


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    make_runs(folder / "runs", CELLS, SEEDS)
    return folder


@pytest.mark.slow
def test_ten_thousand_runs_are_compared(here, started_bnexp):
    done = started_bnexp("compare", "many", "--format", "json", cwd=here)

    assert done.returncode == 0, done.stderr
    comparison = json.loads(done.stdout)
    assert comparison["warnings"] == []
    assert len(comparison["cells"]) == CELLS
    for index, cell in enumerate(comparison["cells"]):
        values = [final_accuracy(index, seed) for seed in range(SEEDS)]
        assert cell["n"] == SEEDS
        assert cell["mean"] == pytest.approx(mean(values), abs=1e-12)
        assert cell["std"] == pytest.approx(stdev(values), abs=1e-12)
        assert cell["statuses"]["finished"] == SEEDS


@pytest.mark.slow
def test_ten_thousand_runs_are_listed_with_what_is_wrong_among_them(here, started_bnexp):
    first, second, *_ = sorted((here / "runs/many").glob("*/seed=7"))
    sound = {path: path.read_text() for path in (first / "summary.json", second / "status.json")}
    for path in sound:
        path.write_text("{")
    try:
        done = started_bnexp("ls", "--json", cwd=here)
    finally:
        for path, text in sound.items():
            path.write_text(text)

    assert done.returncode == 0, done.stderr
    (experiment,) = json.loads(done.stdout)
    assert (experiment["cells"], experiment["runs"]) == (CELLS, CELLS * SEEDS)
    assert experiment["states"] == {"finished": CELLS * SEEDS - 1, "failed": 1}

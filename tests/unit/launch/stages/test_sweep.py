"""In which order a sweep's runs train."""

import io

from rich.console import Console
from sweeps import plan

from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.options import LaunchOptions
from bnexp.launch.stages.stages import Stage
from bnexp.launch.stages.sweep import SweepTrainer


def test_cells_take_turns_seed_by_seed(tmp_path, monkeypatch):
    trained = []

    def train(self, ledger, stop):
        trained.extend(run.spec.name for run in ledger.runs)
        ledger.ended["finished"] = len(ledger.runs)

    monkeypatch.setattr(LocalLauncher, "train", train)
    sweep = ("sweep.grid={optim.learning_rate: [0.1, 0.2]}", "sweep.seeds=[2, 0]")
    planned = plan(tmp_path, *sweep)
    with SweepTrainer(LaunchOptions(), Console(file=io.StringIO())) as trainer:
        assert trainer.train(Stage("many", planned)) == 0

    cells = [f"learning_rate={rate}" for rate in (0.1, 0.2)]
    assert [run.spec.name for run in planned] == [f"{c} seed={s}" for c in cells for s in (2, 0)]
    assert trained == [f"{c} seed={s}" for s in (2, 0) for c in cells]

"""Real sweeps of short runs on `shapes`, and what is left of them without what clocks say."""

from contextlib import closing

from run_results import read_results

from bnexp.config.load import load_experiment
from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.plan import plan_runs
from bnexp.launch.screen.events import RunEnded, Said
from bnexp.launch.stop import StopSignal

CONFIG = """\
name: many
data: {name: shapes, train_size: 200, val_size: 0, test_size: 40, batch_size: 20}
model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 4}]}
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 1, device: cpu, threads: 1, log_every: 5, checkpoint_every: 1}
"""


class Listener:
    """Keeps what happens; calls `react` with each event first."""

    def __init__(self, react=lambda event: None):
        self.events = []
        self._react = react

    def show(self, event):
        self._react(event)
        self.events.append(event)

    @property
    def lines(self):
        return [event.line for event in self.events if isinstance(event, Said)]

    @property
    def ends(self):
        return {event.index: event.state for event in self.events if isinstance(event, RunEnded)}


def plan(folder, *overrides, config=CONFIG):
    """Returns the runs of the config, whose folders lie below `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "c.yaml").write_text(config)
    return plan_runs(load_experiment(folder / "c.yaml", overrides), folder / "runs", False)


def train(runs, listener=None, jobs=1, is_failing_fast=False):
    """Trains the runs on this machine, and returns how many ended in which state."""
    show, stop = (listener or Listener()).show, StopSignal()
    ledger = Ledger(runs, show, stop.is_set, is_failing_fast)
    with closing(LocalLauncher(jobs, can_fork=True)) as launcher:
        launcher.train(ledger, stop)
    return dict(ledger.ended)


def read_runs(runs_dir):
    """Returns what every run left, by its folder, but for what is measured by the clock."""
    paths = sorted(path.parent for path in runs_dir.rglob("status.json"))
    return {str(path.relative_to(runs_dir)): read_results(path) for path in paths}

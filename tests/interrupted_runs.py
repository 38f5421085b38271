"""Real runs on `shapes` in this process, stopped where a test wants them to be."""

from bnexp.config.load import load_experiment
from bnexp.launch.plan import plan_runs
from bnexp.launch.prepare import start_over
from bnexp.launch.run.pack import train_one
from bnexp.launch.screen.events import Said

CONFIG = """\
name: small
data: {name: shapes, train_size: 100, val_size: 20, test_size: 40, batch_size: 20}
model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 4}]}
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 3, device: cpu, threads: 1, log_every: 2, checkpoint_every: 1}
"""


def plan(folder, *overrides, **options):
    """Returns the one run of the config, whose folder lies below `folder`."""
    (folder / "c.yaml").write_text(CONFIG)
    experiment = load_experiment(folder / "c.yaml", overrides)
    (run,) = plan_runs(experiment, folder / "runs", options.pop("is_forced", False), **options)
    return run


def train(run, stop_at_step=None):
    """Trains the run, to the end or until it has done so many steps in this attempt."""
    (run,) = start_over([run], print)
    asked = 0

    def should_stop():
        nonlocal asked
        asked += 1
        return stop_at_step is not None and asked > stop_at_step

    events = []
    state = train_one(run, 0, should_stop, events.append)
    return state, [event.line for event in events if isinstance(event, Said)]


def interrupt(folder, steps=8, *overrides):
    """Returns a run that was stopped after `steps` steps (of 15) and saved at each."""
    run = plan(folder, *overrides)
    # One boundary more for each epoch's evaluation sets, and one before them.
    boundaries = steps + 3 * (steps // 5)
    state, lines = train(run, boundaries)
    assert state == "interrupted", lines
    return plan(folder, *overrides)

"""Seeds of a cell that train at once on a GPU, against the same seeds one after the other."""

import json

import pytest
from sweeps import Listener, plan, read_runs, train

from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.screen.events import EpochEnded
from bnexp.launch.stop import StopSignal
from bnexp.training.learner import Learner

pytestmark = pytest.mark.gpu

CONFIG = """\
name: many
data:
  {name: shapes, train_size: 700, val_size: 0, test_size: 100, batch_size: 64,
   augment: [random_crop, horizontal_flip]}
model: {name: cnn, layers: [{conv: 16}, {pool: max}, {conv: 32}, {pool: max}], head: flatten}
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 3, device: cuda, log_every: 5}
"""


def pack(folder, size, *overrides, listener=None, seeds=16):
    runs = plan(folder, f"sweep.seeds={seeds}", f"train.pack={size}", *overrides, config=CONFIG)
    return train([run for run in runs if run.action != "skip"], listener)


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def alone(request, tmp_path_factory):
    """The precision, and what each of 16 seeds leaves that trained alone."""
    folder, precision = tmp_path_factory.mktemp("alone"), f"train.precision={request.param}"
    assert pack(folder, 1, precision) == {"finished": 16}
    return precision, read_runs(folder / "runs")


@pytest.mark.parametrize("size", [4, 16])
def test_each_run_ends_with_the_bits_that_it_has_alone(size, alone, tmp_path):
    precision, expected = alone

    assert pack(tmp_path, size, precision) == {"finished": 16}

    assert read_runs(tmp_path / "runs") == expected


def test_runs_of_which_several_share_a_stream_end_with_their_bits(alone, tmp_path):
    precision, expected = alone

    assert pack(tmp_path, 40, precision, seeds=40) == {"finished": 40}

    found = read_runs(tmp_path / "runs")
    assert {name: found[name] for name in expected} == expected


def test_one_that_diverges_and_one_that_fails_leave_the_others_alone(alone, tmp_path, monkeypatch):
    precision, expected = alone
    step = Learner.step

    def spoil(learner, number, batch, *others):
        seed = learner._config.train.seed
        if seed == 5 and number == 12:
            raise RuntimeError("broken")
        if seed == 3 and number == 12:
            batch = batch[0] * float("nan"), batch[1]
        return step(learner, number, batch, *others)

    monkeypatch.setattr(Learner, "step", spoil)

    assert pack(tmp_path, 16, precision) == {"finished": 14, "diverged": 1, "failed": 1}

    monkeypatch.undo()
    assert pack(tmp_path, 16, precision) == {"finished": 1}
    found = read_runs(tmp_path / "runs")
    assert found.pop("many/base/seed=3")["summary"]["steps"] == 12
    assert found == {name: run for name, run in expected.items() if name in found}


def test_runs_that_are_stopped_go_on_with_the_same_bits(alone, tmp_path, monkeypatch):
    precision, expected = alone
    asked = []
    monkeypatch.setattr("bnexp.launch.stop.StopSignal.is_set", lambda self: bool(asked))

    def stop(event):
        if isinstance(event, EpochEnded):
            asked.append(event)

    assert pack(tmp_path, 16, precision, listener=Listener(stop)) == {"interrupted": 16}

    asked.clear()
    assert pack(tmp_path, 16, precision) == {"finished": 16}
    assert read_runs(tmp_path / "runs") == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["train.precision=bf16"], 10),  # two packs of equal size
        (["train.precision=fp32"], 1),
        (["train.precision=bf16", "model.dropout=0.1"], 1),
        (["train.precision=bf16", "train.compile=true"], 1),
    ],
    ids=str,
)
def test_auto_packs_what_gains_by_it(overrides, expected, tmp_path):
    runs = plan(tmp_path, "sweep.seeds=20", "train.epochs=1", *overrides, config=CONFIG)
    started = runs if expected > 1 else runs[:2]
    stop = StopSignal()

    launcher = LocalLauncher(None)
    placed = launcher.place(started, len(started))

    launcher.train(Ledger(placed, Listener().show, stop.is_set), stop)
    launcher.close()

    files = [run.folder.path / "environment.json" for run in started]
    assert {json.loads(file.read_text()).get("pack", 1) for file in files} == {expected}

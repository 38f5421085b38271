"""What cannot work, or only slowly, is found before the first run starts."""

import pytest
from image_folders import make_image_folder
from sweeps import CONFIG, plan

from bnexp.config.load import load_experiment
from bnexp.errors import UsageError
from bnexp.launch import prepare as preparing
from bnexp.launch.plan import plan_tuning
from bnexp.launch.prepare import prepare
from bnexp.training.machine import precision as machine_precision
from bnexp.training.machine.precision import measure_bf16_slowdown


@pytest.mark.parametrize(
    ("precision", "slowdown", "said"),
    [
        ("bf16", 9.7, "bf16 takes 10 times as long as fp32"),
        ("bf16", 1.4, ""),
        ("bf16", 0.6, ""),
        ("fp32", 9.7, ""),
    ],
)
def test_bf16_that_is_slow_on_this_processor_is_said_before_training(
    precision, slowdown, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(preparing, "measure_bf16_slowdown", lambda: slowdown)
    lines = []
    prepare(plan(tmp_path / "a", f"train.precision={precision}"), lines.append)

    found = [line for line in lines if "bf16" in line]
    assert len(found) == bool(said)
    assert all(said in line and "-s train.precision=fp32" in line for line in found)


def test_the_slowdown_of_bf16_is_measured():
    assert 0.01 < measure_bf16_slowdown() < 1000


def test_what_else_the_machine_does_for_a_moment_does_not_count(monkeypatch):
    busy = {"bf16": (0, 1, 2, 3), "fp32": (3, 4, 5)}
    asked = {"bf16": 0, "fp32": 0}

    def time_convolution(precision):
        number = asked[precision]
        asked[precision] += 1
        return (0.003 if precision == "bf16" else 0.002) * (50 if number in busy[precision] else 1)

    monkeypatch.setattr(machine_precision, "_time_convolution", time_convolution)
    assert measure_bf16_slowdown.__wrapped__() == pytest.approx(1.5)
    assert asked["bf16"] == asked["fp32"]


def test_tuning_without_validation_images_is_refused_before_its_runs(tmp_path):
    root = make_image_folder(tmp_path / "images")
    data = f"data: {{name: image_folder, root: {root}, val_size: 0, batch_size: 4}}"
    sweep = "sweep: {seeds: 2, tune: {over: {optim.learning_rate: [0.1, 0.2]}, seeds: [100]}}"
    others = [line for line in CONFIG.splitlines() if not line.startswith("data:")]
    (tmp_path / "c.yaml").write_text("\n".join([*others, data, sweep]))
    tuning = load_experiment(tmp_path / "c.yaml").tuning

    with pytest.raises(UsageError, match=r"validation images.*set data.val_size"):
        prepare(plan_tuning(tuning, tmp_path / "runs", is_forced=False), lambda _: None)

"""The doctor on configs and on real runs: what it finds, and what it refuses to examine."""

import json
import os
import shutil

import pytest
from sweeps import CONFIG, plan, train

from bnexp.doctor.examination import examine_config, examine_run
from bnexp.errors import DataError, UsageError
from bnexp.files import digest
from bnexp.runs import RunDir, read_run
from bnexp.runs.seal import Seal, write_seal
from bnexp.training.machine import precision as machine_precision

OVERRIDES = ("model.norm={name: batch, momentum: 0.01}", "optim.decay_norm=true")


def be_quiet(line):
    pass


def examine(tmp_path, *overrides, config=CONFIG):
    (tmp_path / "c.yaml").write_text(config)
    return examine_config(tmp_path / "c.yaml", overrides, None, be_quiet)


def wrong(findings):
    return {one.check: one for one in findings if one.is_wrong}


def test_a_sound_config_has_nothing_wrong_and_its_numbers_are_shown(tmp_path):
    found = {one.check: one for one in examine(tmp_path, "train.epochs=4")}

    assert wrong(found.values()) == {}
    assert found["normalization_batch"].evidence == "20 images share statistics, 20 an update"
    assert (
        found["cold"].evidence == "1 % of the initial values is left after 40 steps at momentum 0.1"
    )
    assert found["weight_decay"].evidence == "weight decay 0.0005, 0 on γ and β"


def test_what_is_suspicious_in_a_config_has_a_cause_and_a_fix(tmp_path):
    others = ("model.norm.eps=1e-3", "optim.schedule.warmup_epochs=0")

    found = wrong(examine(tmp_path, *OVERRIDES, *others))

    assert set(found) == {"cold", "eps", "weight_decay"}
    assert (
        found["cold"].evidence
        == "90 % of the initial values is left after 10 steps at momentum 0.01"
    )
    assert found["cold"].place == "model.norm.momentum"
    assert all(one.severity == "warning" and one.cause and one.fix for one in found.values())


def test_a_momentum_of_the_other_convention_is_flagged_with_its_horizon(tmp_path):
    found = wrong(examine(tmp_path, "model.norm={name: batch, momentum: 0.9}"))

    assert found["momentum_convention"].evidence == (
        "at momentum 0.9, the last 2 steps have 95 % of the weight"
    )


def test_evaluation_by_batches_is_flagged(tmp_path):
    found = wrong(examine(tmp_path, "model.norm={name: batch, track_running_stats: false}"))

    assert found["batch_dependence"].place == "model.norm"


@pytest.mark.parametrize(
    ("override", "check", "evidence"),
    [
        ("data.train_size=201", "single_image", "201 training images leave a last batch of one"),
        ("model.norm={name: group}", "groups", "num_groups: 2 fits"),
        ("model.norm={name: batch, momentum: 0}", "zero_momentum", "must be more than 0, not 0"),
        ("optim.momentum=-1", "config", "must be at least 0"),
        ("model.nrom=batch", "config", "unknown key"),
    ],
)
def test_a_mistake_is_explained_by_the_check_that_knows_its_cause(
    tmp_path, override, check, evidence
):
    (found,) = examine(tmp_path, override)

    assert (found.check, found.severity) == (check, "error")
    assert evidence in found.evidence
    assert found.cause
    assert found.fix


def test_in_a_sweep_the_cells_are_named(tmp_path):
    sweep = "sweep: {seeds: 1, grid: {optim.decay_norm: [true, false], data.batch_size: [10, 20]}}"

    found = wrong(examine(tmp_path, "train.epochs=4", config=CONFIG + sweep))

    assert found["weight_decay"].place == (
        "optim.decay_norm (in cell decay_norm=true,batch_size=10 and 1 other)"
    )


def test_without_its_dataset_a_config_is_examined_as_far_as_it_goes(tmp_path):
    data = "data={name: image_folder, root: gone, batch_size: 20}"
    norm = "model.norm={name: batch, momentum: 0.9}"

    found = wrong(examine(tmp_path, data, norm))

    assert "gone does not exist" in found["datasets"].evidence
    assert found["datasets"].severity == "error"
    assert found["momentum_convention"].severity == "warning"


@pytest.mark.parametrize(("bias", "places"), [("true", ["layers.0.conv"]), ("auto", [])])
def test_biases_that_a_config_gives_to_convolutions_before_a_norm_are_flagged(
    tmp_path, bias, places
):
    cnn = f"model={{name: cnn, layers: [{{conv: 8}}, {{dropout: 0.1}}], norm: batch, bias: {bias}}}"

    found = [one for one in examine(tmp_path, cnn, "train.epochs=4") if one.is_wrong]

    assert [one.place for one in found] == places
    assert all(one.severity == "warning" for one in found)


def test_biases_of_an_mlp_are_a_note(tmp_path):
    mlp = "model={name: mlp, hidden: [8], norm: batch}"

    (found,) = (one for one in examine(tmp_path, mlp) if one.check == "conv_bias")

    assert found.severity == "note"
    assert found.evidence.startswith("8 parameters in 1 layer ")


@pytest.mark.parametrize(
    ("precision", "device", "slowdown", "severity"),
    [
        ("bf16", "cpu", 9.7, "warning"),
        ("bf16", "cpu", 0.6, "fine"),
        ("fp32", "cpu", 9.7, None),
        ("bf16", "cuda:99", 9.7, None),
    ],
)
def test_a_config_that_asks_for_bf16_hears_if_it_is_slow_here(
    tmp_path, monkeypatch, precision, device, slowdown, severity
):
    monkeypatch.setattr(machine_precision, "measure_bf16_slowdown", lambda: slowdown)
    asked = (f"train.precision={precision}", f"train.device={device}")

    found = {one.check: one for one in examine(tmp_path, *asked)}

    assert (found["bf16"].severity if severity else found.get("bf16")) == severity
    if severity == "warning":
        assert found["bf16"].place == "train.precision"
        assert found["bf16"].fix == "train with train.precision: fp32, the default"


def test_a_config_that_is_not_there_is_an_error_of_usage(tmp_path):
    with pytest.raises(UsageError, match="cannot read the config"):
        examine_config(tmp_path / "gone.yaml", (), None, be_quiet)


def test_a_config_is_examined_without_pytorch_as_far_as_it_goes(tmp_path, started_bnexp):
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "torch.py").write_text("raise ImportError('no libcudart')")
    (tmp_path / "c.yaml").write_text(CONFIG)

    path = os.pathsep.join([str(tmp_path / "stub"), os.environ.get("PYTHONPATH", "")])

    done = started_bnexp("doctor", "c.yaml", "-s", OVERRIDES[0], cwd=tmp_path, PYTHONPATH=path)

    assert "PyTorch cannot be imported (ImportError: no libcudart)" in done.stderr
    assert "90 % of the initial values is left after 10 steps" in done.stdout
    assert done.returncode == 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor")
    runs = plan(folder, *OVERRIDES)
    assert train(runs) == {"finished": 1}
    return runs[0].folder.path


@pytest.fixture
def folder(finished, tmp_path):
    copied = tmp_path / "runs" / "many" / "base" / "seed=0"
    shutil.copytree(finished, copied)
    return RunDir(copied)


def test_a_run_is_evaluated_and_what_is_wrong_is_named(finished):
    found = {one.check: one for one in examine_run(read_run(finished), be_quiet)}

    assert set(wrong(found.values())) >= {"cold", "weight_decay"}
    assert (
        found["cold"].evidence
        == "90 % of the initial values is left after 10 steps at momentum 0.01"
    )
    assert found["recorded"].severity == "fine"
    assert "with precise" in found["gap"].evidence
    assert found["weight_decay"].evidence.startswith("weight decay 0.0005 on ")


def test_a_run_that_diverged_is_examined_too(tmp_path):
    runs = plan(tmp_path, "optim.learning_rate=1e9", "model.norm=none")
    assert train(runs) == {"diverged": 1}

    found = {one.check: one for one in examine_run(read_run(runs[0].folder.path), be_quiet)}

    assert found["non_finite"].severity == "error"
    assert "hold NaN or infinity" in found["non_finite"].evidence


def test_examining_a_run_changes_none_of_its_files(folder):
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}

    examine_run(read_run(folder.path), be_quiet)

    after = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    assert {name: after[name] for name in before} == before


def seal(folder):
    summary = {folder.summary.name: digest(folder.summary.read_bytes())}
    write_seal(folder.path, Seal(folder.path).identity, summary)


def refuse(folder):
    with pytest.raises(UsageError) as caught:
        examine_run(read_run(folder.path), be_quiet)
    return str(caught.value)


def test_a_damaged_run_is_refused(folder):
    tensors = folder.checkpoints.newest
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"x")

    assert "is damaged: " in refuse(folder)
    assert "bnexp check" in refuse(folder)


def test_a_run_that_has_not_ended_is_refused(folder):
    folder.summary.unlink()
    folder.manifest.unlink()
    status = json.loads(folder.status.read_text())
    folder.status.write_text(json.dumps({**status, "state": "interrupted"}))

    assert "has not ended (it is interrupted)" in refuse(folder)
    assert f"bnexp show {folder.path}" in refuse(folder)


def test_a_run_whose_config_is_another_is_refused(folder):
    text = folder.config.read_text()
    folder.config.write_text(text.replace("learning_rate: 0.05", "learning_rate: 0.5"))
    seal(folder)

    assert "is not the config that the run began with" in refuse(folder)


def test_a_run_on_other_data_is_refused(folder):
    text = folder.environment.read_text()
    fingerprint = json.loads(text)["dataset"]["fingerprint"]
    folder.environment.write_text(text.replace(fingerprint, "0" * 64))
    seal(folder)

    with pytest.raises(DataError, match="is not the one that"):
        examine_run(read_run(folder.path), be_quiet)

"""The section `diagnostics`: its forms, mistakes at their place, and what it leaves alone."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.diagnostics.gradient_norm.config import GradientNormConfig
from bnexp.diagnostics.update_ratio.config import UpdateRatioConfig
from bnexp.errors import ConfigError
from bnexp.launch.resolved_config import hyperparameters

HEAD = "name: a\ndata: shapes\nmodel: {name: cnn, layers: [{conv: 4}]}\n"


def load(folder, text, *overrides):
    (folder / "c.yaml").write_text(HEAD + text)
    return load_experiment(folder / "c.yaml", overrides).runs


def test_a_name_is_short_for_a_mapping(tmp_path):
    (run,) = load(tmp_path, "diagnostics: [gradient_norm, {name: update_ratio, every_steps: 3}]\n")

    assert run.config.diagnostics == (GradientNormConfig(), UpdateRatioConfig(every_steps=3))


def test_an_override_turns_them_off(tmp_path):
    (run,) = load(tmp_path, "diagnostics: [gradient_norm]\n", "diagnostics=[]")

    assert run.config.diagnostics == ()


@pytest.mark.parametrize(
    ("written", "place", "reason"),
    [
        ("gradient_norm", "14: diagnostics", "must be a list, not 'gradient_norm'; write ["),
        ("[gradient_nrom]", "15: diagnostics.0.name", "(did you mean 'gradient_norm'?)"),
        ("[{every_steps: 3}]", "15: diagnostics.0.name", "this key is required: one of "),
        (
            "[gradient_norm, gradient_norm]",
            "14: diagnostics",
            "gradient_norm is listed twice; give all its layers in one place",
        ),
        (
            "[gradient_norm, {name: update_ratio, every_steps: 0}]",
            "64: diagnostics.1.every_steps",
            "must be at least 1, not 0",
        ),
        (
            "[{name: gradient_norm, layers: []}]",
            "45: diagnostics.0.layers",
            "must not be empty",
        ),
    ],
)
def test_a_mistake_is_reported_where_it_stands(written, place, reason, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"diagnostics: {written}\n")

    (problem,) = caught.value.problems
    assert f"{problem.column}: {problem.path}" == place
    assert problem.line == 4
    assert reason in problem.reason


def test_they_cannot_be_swept(tmp_path):
    with pytest.raises(ConfigError, match="cannot be swept: it changes no figure"):
        load(tmp_path, "sweep: {grid: {diagnostics: [[], [gradient_norm]]}}\n")


def test_another_list_makes_another_run_with_the_same_hyperparameters(tmp_path):
    (plain,) = load(tmp_path, "diagnostics: []\n")
    (measured,) = load(tmp_path, "diagnostics: [gradient_norm]\n")

    assert plain.config.fingerprint() != measured.config.fingerprint()
    assert hyperparameters(plain.config) == hyperparameters(measured.config)


CLAIMED = (
    "train: {epochs: 4}\n"
    "sweep: {seeds: 4, grid: {model.norm.name: [none, batch]}}\n"
    "claim:\n"
    "  statement: gradients are larger\n"
    "  source: nobody\n"
    "  treatment: {model.norm.name: batch}\n"
    "  control: {model.norm.name: none}\n"
    "  metric: diag/gradient_norm\n"
    "  layers: median\n"
    "  at: {epoch: 2}\n"
    "  direction: higher\n"
    "  margin: 0.1\n"
)


@pytest.mark.parametrize("interval", ["", "every_steps: 10", "every_steps: 15"])
def test_a_claim_about_an_epoch_needs_a_measurement_in_it(tmp_path, interval):
    # Epochs of ten steps: the second is the steps 11 to 20.
    head = f"diagnostics: [{{name: gradient_norm, {interval}}}]\n"
    assert load(tmp_path, head + CLAIMED, "data.train_size=1280", "data.batch_size=128")


def test_a_claim_about_an_epoch_without_a_measurement_is_refused(tmp_path):
    head = "diagnostics: [{name: gradient_norm, every_steps: 21}]\n"

    with pytest.raises(ConfigError) as caught:
        load(tmp_path, head + CLAIMED, "data.train_size=1280", "data.batch_size=128")

    (problem,) = caught.value.problems
    assert (
        "14:15: claim.at.epoch: epoch 2 is steps 11 to 20, in which gradient_norm is not measured"
        in str(problem)
    )


def test_a_claim_about_an_epoch_after_the_last_is_refused(tmp_path):
    head = "diagnostics: [gradient_norm]\n"

    with pytest.raises(ConfigError) as caught:
        load(tmp_path, head + CLAIMED, "train.epochs=1")

    (problem,) = caught.value.problems
    assert "14:15: claim.at.epoch: epoch 2 comes after the last one of norm=" in str(problem)
    assert str(problem).endswith(", 1; set train.epochs to it or more")


@pytest.mark.parametrize("side", ["{model.norm.name: batch, data.batch_size: 128}", "each"])
def test_only_the_cells_of_a_claim_must_measure_its_epoch(tmp_path, side):
    # In batches of 1,280 the second epoch is step 2; of 640, steps 3 and 4.
    sizes = {"each": "[128, 640]"}.get(side, "[128, 1280]")
    grid = f"model.norm.name: [none, batch], data.batch_size: {sizes}"
    text = "diagnostics: [{name: gradient_norm, every_steps: 4}]\n" + CLAIMED.replace(
        "model.norm.name: [none, batch]", grid
    )
    if side == "each":
        text += "  each: {data.batch_size: [128, 640]}\n"
    else:
        text = text.replace("{model.norm.name: batch}", side).replace(
            "{model.norm.name: none}", "{model.norm.name: none, data.batch_size: 128}"
        )

    assert len(load(tmp_path, text, "data.train_size=1280")) == 16


def test_a_cell_of_one_case_that_does_not_measure_the_epoch_is_refused(tmp_path):
    grid = "model.norm.name: [none, batch], data.batch_size: [128, 1280]"
    text = "diagnostics: [{name: gradient_norm, every_steps: 4}]\n" + CLAIMED.replace(
        "model.norm.name: [none, batch]", grid
    )
    text += "  each: {data.batch_size: [128, 1280]}\n"

    with pytest.raises(ConfigError, match="epoch 2 is step 2, in which gradient_norm is not"):
        load(tmp_path, text, "data.train_size=1280")

"""Claims in the YAML: what is wrong with one is told with its place, before anything is run."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError

BASE = """\
name: study
data: {name: shapes}
model: {name: cnn, layers: [{conv: 8}], head: global_avg_pool, norm: batch}
optim: sgd
sweep:
  grid:
    model.norm.name: [none, batch]
    optim.learning_rate: [0.01, 0.1]
"""
CLAIM = """\
claim:
  statement: batch norm is better
  source: a paper
  treatment: {model.norm.name: batch, optim.learning_rate: 0.1}
  control: {model.norm.name: none, optim.learning_rate: 0.1}
  direction: higher
  margin: 0.01
"""


def load(tmp_path, claim=CLAIM, base=BASE):
    path = tmp_path / "config.yaml"
    path.write_text(base + claim, encoding="utf-8")
    return load_experiment(path)


def problems(tmp_path, claim, base=BASE):
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, claim, base)
    return [(problem.line, problem.path, problem.reason) for problem in raised.value.problems]


def test_one_claim_and_a_list_of_claims_read_alike(tmp_path):
    (one,) = load(tmp_path).runs[0].config.claim
    listed = CLAIM.replace("claim:\n  ", "claim:\n- ")
    (first,) = load(tmp_path, listed).runs[0].config.claim

    assert one == first
    assert (one.metric, one.margin) == ("test/accuracy", 0.01)


def test_a_claim_is_no_part_of_what_makes_a_run_another_one(tmp_path):
    with_claim, without = load(tmp_path), load(tmp_path, "")
    assert with_claim.runs[0].config.fingerprint() == without.runs[0].config.fingerprint()


def test_a_side_that_no_cell_is_on_is_refused_with_the_values_that_there_are(tmp_path):
    found = problems(tmp_path, CLAIM.replace("norm.name: none", "norm.name: layer"))
    reason = "no cell has model.norm.name = layer; the cells have none, batch"
    assert found == [(13, "claim.control", reason)]


def test_a_key_that_no_cell_has_comes_with_a_suggestion(tmp_path):
    found = problems(tmp_path, CLAIM.replace("norm.name: none", "nrom.name: none"))
    reason = "no cell has the key model.nrom.name (did you mean 'model.norm.name'?)"
    assert [(path, said) for _, path, said in found] == [("claim.control", reason)]


def test_a_side_of_several_cells_needs_a_reduction(tmp_path):
    found = problems(
        tmp_path, CLAIM.replace("name: batch, optim.learning_rate: 0.1", "name: batch")
    )
    assert [path for _, path, _ in found] == ["claim.treatment"]
    assert "matches 2 cells" in found[0][2]
    assert "name more keys, or give a reduction" in found[0][2]


def test_a_cell_cannot_be_on_both_sides(tmp_path):
    found = problems(tmp_path, CLAIM.replace("name: none", "name: batch"))
    assert "is in the treatment too" in found[0][2]


def wide(reduction):
    return CLAIM.replace(", optim.learning_rate: 0.1", "") + f"  reduction: {reduction}\n"


def test_a_reduction_takes_the_cells_along_its_axis(tmp_path):
    claim = wide("{name: largest_stable, over: optim.learning_rate, scale: log10, threshold: 0.2}")
    assert load(tmp_path, claim).runs[0].config.claim[0].reduction.threshold == 0.2


def test_an_axis_that_is_not_swept_is_refused(tmp_path):
    found = problems(tmp_path, wide("{name: range, over: data.batch_size}"))
    assert {
        (path, "some of them with the same data.batch_size" in reason) for _, path, reason in found
    } == {
        ("claim.treatment", True),
        ("claim.control", True),
    }


def test_an_axis_without_numbers_is_refused(tmp_path):
    found = problems(tmp_path, wide("{name: range, over: model.norm}"))
    assert all("is not a number in every cell" in reason for _, _, reason in found)


def test_the_best_axis_value_is_chosen_on_validation_images_alone(tmp_path):
    best = wide("{name: best, over: optim.learning_rate}")
    (found,) = problems(tmp_path, best, BASE.replace("shapes", "shapes, val_size: 0"))
    assert found[1:] == (
        "claim.reduction.select_by",
        "is measured on validation images, and there are none; set data.val_size",
    )
    assert load(tmp_path, best, BASE.replace("shapes", "shapes, val_size: 100"))
    on_test = wide("{name: best, over: optim.learning_rate, select_by: test/loss}")
    assert "must be measured on validation images" in problems(tmp_path, on_test)[0][2]


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        (("margin: 0.01", "margin: 0"), "claim.margin", "must be more than 0"),
        (("direction: higher", "direction: up"), "claim.direction", "not one of"),
        (("  source: a paper\n", ""), "claim.source", "required"),
        (("margin: 0.01", "margin: 0.01\n  metrc: x"), "claim.metrc", "did you mean 'metric'"),
        (("margin: 0.01", "margin: 0.01\n  target: 0.5"), "claim", "target goes with"),
        (("margin: 0.01", "margin: 1\n  metric: epochs_to_target"), "claim", "target goes with"),
        (("claim:", "claim: 3\nevaluate:"), "claim", "must be a list"),
        (("margin: 0.01", "margin: 5"), "claim", "margin: accuracies and shares lie in [0, 1]"),
        (("margin: 0.01", "margin: 0.1\n  diverged_as: 10"), "claim", "for 10 % write 0.1"),
        (("direction", "metric: test/acc\n  direction"), "claim.metric", "did you mean 'test/acc"),
        (
            ("direction: higher", "metric: peak_memory_bytes\n  direction: equal"),
            "claim.metric",
            "use training_memory_bytes",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path, change, path, words):
    found = problems(tmp_path, CLAIM.replace(*change))
    assert any(where == path and words in reason for _, where, reason in found), found


@pytest.mark.parametrize(
    ("about", "key"),
    [
        ("metric: steps_to_target\n  target: 0.5\n", "metric"),
        ("metric: epochs_to_target\n  target: control\n", "metric"),
        ("at: {epoch: 1}\n", "at"),
        ("metric: train/accuracy - val_precise/accuracy\n  at: {epoch: 1}\n", "at"),
    ],
)
def test_what_is_known_after_the_last_epoch_alone_answers_no_question_about_another(
    about, key, tmp_path
):
    claim = CLAIM.replace("direction", f"{about}  direction").replace("0.01\n", "0.1\n")
    last = "evaluate: {after: last_epoch, population_statistics: [ema, precise]}\n"

    found = problems(tmp_path, claim, BASE + last)

    reason = "is evaluated only after its last epoch; give it evaluate.after: each_epoch"
    assert [where for _, where, said in found if said.endswith(reason)] == [f"claim.{key}"]
    assert load(tmp_path, claim.replace("test/", "train/"), BASE)
    at_train = CLAIM.replace("direction", "metric: train/loss\n  at: {epoch: 1}\n  direction")
    assert load(tmp_path, at_train, BASE + last)


def test_both_sides_need_the_same_axis(tmp_path):
    base = BASE.replace(
        "  grid:\n    model.norm.name: [none, batch]\n    optim.learning_rate: [0.01, 0.1]\n",
        "  zip:\n    model.norm.name: [none, none, batch, batch]\n"
        "    optim.learning_rate: [0.01, 0.02, 0.02, 0.04]\n",
    )
    (found,) = problems(tmp_path, wide("{name: range, over: optim.learning_rate}"), base)
    reason = "the treatment has 0.02, 0.04, the control 0.01, 0.02; give both the same values"
    assert found[1:] == ("claim.reduction.over", reason)
    best = wide("{name: best, over: optim.learning_rate}")
    assert load(tmp_path, best, base.replace("shapes", "shapes, val_size: 100"))


def test_a_longer_axis_on_one_side_is_refused_for_the_best_of_it(tmp_path):
    base = BASE.replace("shapes", "shapes, val_size: 100").replace(
        "optim.learning_rate: [0.01, 0.1]\n",
        "optim.learning_rate: [0.01, 0.1]\n"
        "  include: [{model.norm.name: batch, optim.learning_rate: 0.2}]\n",
    )
    (found,) = problems(tmp_path, wide("{name: best, over: optim.learning_rate}"), base)
    assert found[2].startswith("3 values in the treatment and 2 in the control")


def test_an_included_cell_is_meant_only_by_a_side_that_names_what_it_sets(tmp_path):
    grid = "    optim.learning_rate: [0.01, 0.1]\n"
    deep = "{model.norm.name: batch, optim.learning_rate: 0.1, data.batch_size: 64}"
    base = BASE.replace(grid, f"{grid}  include: [{deep}]\n")
    experiment = load(tmp_path, CLAIM, base)

    assert len(experiment.runs) == 5
    for run in experiment.runs:
        (claim,) = run.config.claim
        assert claim.treatment == {
            "model.norm.name": "batch", "optim.learning_rate": 0.1, "data.batch_size": 128
        }  # fmt: skip
        assert claim.control == {"model.norm.name": "none", "optim.learning_rate": 0.1}
    other = CLAIM.replace("treatment: {", "treatment: {data.batch_size: 64, ")
    assert load(tmp_path, other, base).runs[0].config.claim[0].treatment["data.batch_size"] == 64
    # Which cells of the grid are meant must still be said.
    vague = CLAIM.replace("batch, optim.learning_rate: 0.1}", "batch}")
    (found,) = problems(tmp_path, vague, base)
    assert found[2].startswith("matches 3 cells (norm=batch,learning_rate=0.01, ")


def test_an_axis_leaves_out_the_included_cells_that_differ_in_more(tmp_path):
    grid = "    optim.learning_rate: [0.01, 0.1]\n"
    deep = "{model.norm.name: batch, optim.learning_rate: 0.1, model.placement: after_activation}"
    base = BASE.replace(grid, f"{grid}  include: [{deep}]\n")
    claim = wide("{name: contrast, over: optim.learning_rate, value: 0.1, minus: 0.01}")
    (found,) = load(tmp_path, claim, base).runs[0].config.claim

    assert found.treatment["model.placement"] == "before_activation"
    assert "model.placement" not in found.control


def test_what_tuning_runs_and_candidates_hold_of_a_claim_is_complete_as_well(tmp_path):
    base = """\
name: study
data: {name: shapes, val_size: 100}
model: {name: cnn, layers: [{conv: 8}], head: global_avg_pool, norm: batch}
optim: sgd
sweep:
  grid: {model.norm.name: [none, batch]}
  include: [{model.norm.name: batch, data.batch_size: 64}]
  tune: {over: {optim.learning_rate: [0.1, 0.3]}, by: val/accuracy, seeds: [9]}
"""
    experiment = load(tmp_path, CLAIM.replace(", optim.learning_rate: 0.1", ""), base)
    (claim,) = experiment.runs[0].config.claim
    tuning = experiment.tuning

    assert claim.treatment == {"model.norm.name": "batch", "data.batch_size": 128}
    configs = [one.config for one in tuning.candidates] + [run.config for run in tuning.runs]
    assert [config.claim for config in configs] == [(claim,)] * 12


def test_a_key_of_the_claim_cannot_be_swept(tmp_path):
    base = BASE.replace("optim.learning_rate: [0.01, 0.1]", "claim.margin: [0.01, 0.1]")
    found = problems(tmp_path, "", base)
    assert found[0][2] == "cannot be swept"


NORM = CLAIM + "  metric: diag/gradient_norm\n  layers: median\n"


def test_a_claim_may_be_about_what_a_diagnostic_measures(tmp_path):
    (claim,) = load(tmp_path, f"diagnostics: [gradient_norm]\n{NORM}").runs[0].config.claim

    assert (claim.metric, claim.layers) == ("diag/gradient_norm", "median")


@pytest.mark.parametrize(
    ("diagnostics", "metric", "reason"),
    [
        (
            "[update_ratio]",
            "diag/gradient_norm",
            "norm=batch,learning_rate=0.1 does not measure gradient_norm; add gradient_norm to its "
            "`diagnostics:`",
        ),
        (
            "[gradient_norm]",
            "diag/gradient_nrom",
            "no diagnostic measures 'gradient_nrom' (did you mean 'gradient_norm'?)",
        ),
        (
            "[{name: gradient_norm, layers: [layers.0.*, head]}]",
            "diag/gradient_norm/layers.1.conv",
            "gradient_norm measures only the layers layers.0.*, head; 'layers.1.conv' is none of "
            "them",
        ),
    ],
)
def test_what_a_side_does_not_measure_is_said_at_the_metric(tmp_path, diagnostics, metric, reason):
    written = f"diagnostics: {diagnostics}\n{NORM.replace('diag/gradient_norm', metric)}"

    assert problems(tmp_path, written) == [(17, "claim.metric", reason)]


@pytest.mark.parametrize("metric", ["layers.0.conv", "all", "'*.conv'"])
def test_layers_that_a_diagnostic_may_measure_are_accepted(tmp_path, metric):
    diagnostics = "[{name: gradient_norm, layers: [layers.0.*]}]"
    written = NORM.replace("diag/gradient_norm", f"diag/gradient_norm/{metric}".replace("'", ""))

    assert load(tmp_path, f"diagnostics: {diagnostics}\n{written}")

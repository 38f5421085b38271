"""The section `tiers`: which config each tier makes, and where its mistakes are reported."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.config.shipped import ShippedConfig
from bnexp.config.whole import write_whole
from bnexp.errors import ConfigError, UsageError
from bnexp.launch.resolved_config import resolved_config
from bnexp.norms import NORMS
from bnexp.parts import part_name

KNOWN_NORMS = ", ".join(part_name(norm) for norm in NORMS)

BASE = """\
name: trial
data: {name: cifar10}
model: {name: cnn, layers: [{conv: 8}], norm: {name: batch, eps: 1e-3}}
train: {epochs: 5}
sweep: {seeds: 3, grid: {model.norm.name: [none, batch]}}
"""
TIERS = """\
tiers:
  smoke: {data: {name: shapes}, train: {epochs: 1}, sweep: {seeds: 1}}
  full: {sweep: {grid: {model: {norm: {name: [none, batch, layer]}}}}}
"""


@pytest.fixture
def load(tmp_path):
    def load_texts(*overrides, tier=None, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return load_experiment(tmp_path / "c.yaml", overrides, tier)

    return load_texts


def reasons(load, **files):
    with pytest.raises(ConfigError) as caught:
        load(**files)
    return [str(problem).partition("c.yaml:")[2] for problem in caught.value.problems]


def test_without_a_tier_the_config_is_as_it_stands(load):
    plain, tiered = load(c=BASE), load(c=BASE + TIERS)

    assert [run.identity for run in tiered.runs] == [run.identity for run in plain.runs]
    assert [resolved_config(run) for run in tiered.runs] == [
        resolved_config(run) for run in plain.runs
    ]


def test_a_tier_is_put_on_top_key_by_key(load):
    experiment = load(c=BASE + TIERS, tier="smoke")
    first = experiment.runs[0].config

    assert (experiment.name, experiment.cells) == ("trial.smoke", ("norm=none", "norm=batch"))
    assert [run.seed for run in experiment.runs] == [0, 0]
    assert (first.data.name, first.train.epochs, len(first.model.layers)) == ("shapes", 1, 1)


def test_keys_of_a_tier_may_be_nested_or_dotted_as_elsewhere(load):
    assert load(tier="full", c=BASE + TIERS).cells == ("norm=none", "norm=batch", "norm=layer")


def test_null_in_a_tier_removes_a_section(load):
    (run,) = load(c=BASE + "tiers: {one: {sweep: null}}\n", tier="one").runs

    assert (run.cell, run.config.name) == ("base", "trial.one")


@pytest.mark.parametrize("empty", ["", "{}", "null"])
def test_an_empty_tier_changes_the_name_alone(empty, load):
    experiment = load(c=BASE + f"tiers:\n  full: {empty}\n", tier="full")

    assert (experiment.name, len(experiment.runs)) == ("trial.full", 6)


def test_overrides_are_put_on_top_of_the_tier(load):
    experiment = load("train.epochs=7", "name=other", tier="smoke", c=BASE + TIERS)

    assert experiment.name == "other.smoke"
    assert {run.config.train.epochs for run in experiment.runs} == {7}


def test_tiers_are_inherited_and_refined(load):
    child = "extends: b.yaml\ntiers: {smoke: {train: {epochs: 2}}, own: {train: {epochs: 3}}}\n"

    def epochs(tier):
        return load(b=BASE + TIERS, c=child, tier=tier).runs[0].config.train.epochs

    assert (epochs("smoke"), epochs("own"), epochs("full"), epochs(None)) == (2, 3, 5, 5)
    assert load(tier="smoke").runs[0].config.data.name == "shapes"


def test_a_run_does_not_know_of_the_tiers(load):
    plain = load(c=BASE.replace("epochs: 5", "epochs: 2").replace("trial", "trial.two"))
    tiered = load(c=BASE + "tiers: {two: {train: {epochs: 2}}}\n", tier="two")

    assert [run.identity for run in tiered.runs] == [run.identity for run in plain.runs]
    assert "tiers" not in resolved_config(tiered.runs[0])


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ("tiers: 3\n", "6:8: tiers: must be a mapping of tiers, e.g. {smoke: {…}}, not 3"),
        ("tiers: [a]\n", "6:8: tiers: must be a mapping of tiers, e.g. {smoke: {…}}, not a list"),
        (
            "tiers: {Full: {}}\n",
            "6:9: tiers.Full: the name of a tier is 1 to 20 lower-case letters, digits and dashes",
        ),
        (
            "tiers: {a.b: {}}\n",
            "6:9: tiers.a.b: the name of a tier is 1 to 20 lower-case letters, digits and dashes",
        ),
        (
            "tiers: {full: 5}\n",
            "6:15: tiers.full: must be a mapping of what the tier changes, not 5",
        ),
        (
            "tiers: {full: {name: big}}\n",
            "6:16: tiers.full.name: cannot stand in a tier; with it the experiment is called "
            "<name>.full",
        ),
        ("tiers: {full: {tiers: {}}}\n", "6:16: tiers.full.tiers: cannot stand in a tier"),
        ("tiers: {full: {extends: b}}\n", "6:16: tiers.full.extends: cannot stand in a tier"),
        (
            "tiers: {a: {train: {epochz: 2}}}\n",
            "6:21: tiers.a.train.epochz: unknown key (did you mean 'epochs'?)",
        ),
        (
            "tiers: {a: {train: {epochs: 0}}}\n",
            "6:29: tiers.a.train.epochs: must be at least 1, not 0",
        ),
        (
            "tiers: {a: {sweep: {grid: {model.norm.name: [grop]}}}}\n",
            f"6:46: tiers.a.model.norm.name: 'grop' is not one of {KNOWN_NORMS} (did you mean "
            "'group'?)",
        ),
        (
            "tiers:\n  a: {sweep: {grid: {model.norm.name: [none], model: {norm: {name: [x]}}}}}\n",
            "7:62: tiers.a.sweep.grid.model.norm.name: is set twice; it is already in line 7",
        ),
    ],
)
def test_a_mistake_in_a_tier_is_reported_where_it_stands(tiers, expected, load):
    assert reasons(load, c=BASE + tiers) == [expected]


@pytest.mark.parametrize("tier", ["a", "b"])
def test_a_mistake_in_a_tier_is_reported_the_same_whichever_tier_is_chosen(tier, load):
    text = BASE + "tiers: {a: {train: {epochz: 2}}, b: {}}\n"

    assert reasons(load, c=text, tier=tier) == reasons(load, c=text)


def test_what_only_a_tier_makes_wrong_names_the_tier(load):
    short = BASE + "optim: {schedule: {warmup_epochs: 3}}\ntiers: {a: {train: {epochs: 2}}}\n"

    assert load("train.epochs=9", c=short.replace("epochs: 2", "epochs: 4"))
    assert reasons(load, c=short) == [
        "6:35: optim.schedule.warmup_epochs: the warm-up of 3 epochs is longer than the training "
        "of 2 (with tier a)"
    ]


def test_a_mistake_outside_of_the_tiers_is_reported_once(load):
    wrong = BASE.replace("epochs: 5", "epochs: -5") + TIERS

    assert reasons(load, c=wrong) == ["4:17: train.epochs: must be at least 1, not -5"]


def test_an_override_for_one_tier_does_not_break_another(load):
    text = BASE + "tiers: {a: {}, b: {optim: {schedule: {warmup_epochs: 4}}}}\n"

    assert load("train.epochs=3", c=text, tier="a").name == "trial.a"


@pytest.mark.parametrize(
    ("tier", "text", "expected"),
    [
        ("smok", BASE + TIERS, "has no tier 'smok' (did you mean 'smoke'?)"),
        ("x", BASE + TIERS, "has no tier 'x'; there are smoke, full"),
        ("x", BASE, "has no tier 'x': it has no section 'tiers'"),
    ],
)
def test_an_unknown_tier_is_refused(tier, text, expected, load):
    with pytest.raises(UsageError, match=r"--tier: \S+c\.yaml ") as caught:
        load(c=text, tier=tier)

    assert str(caught.value).endswith(expected)


def test_a_tier_cannot_be_overridden(load):
    with pytest.raises(ConfigError, match="--tier chooses one, and -s sets keys on top of it"):
        load("tiers.smoke.train.epochs=2", c=BASE + TIERS)


def test_a_copy_of_a_config_has_its_tiers(tmp_path):
    base, own = tmp_path / "b.yaml", tmp_path / "c.yaml"
    base.write_text(BASE + TIERS)
    own.write_text("extends: b.yaml\ntiers:\n  smoke: {train: {epochs: 2}}  # two passes\n")
    copy = tmp_path / "copy.yaml"
    copy.write_text(write_whole(ShippedConfig("c", own), "copy.yaml"))

    assert "# two passes" in copy.read_text()
    for tier in (None, "smoke", "full"):
        ours, theirs = load_experiment(copy, (), tier), load_experiment(own, (), tier)
        assert [run.identity for run in ours.runs] == [run.identity for run in theirs.runs]

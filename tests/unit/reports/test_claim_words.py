"""What is said of a claim's evidence: ends of several cases, kinds of seeds, corrections."""

from records import build_cell, build_run, claim

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.words.claims import describe_claim

NORM, ACTIVATION = "model.norm.name", "model.activation"
SPREAD = (-0.002, 0.0, 0.001, 0.003)


def test_the_effect_on_several_cases_goes_from_the_least_to_the_greatest():
    effects = {"relu": 0.01, "tanh": -0.02, "elu": 0.05, "gelu": 0.02}
    words = claim(each={ACTIVATION: (*effects,)})
    runs = [
        build_run(
            f"norm={norm},activation={activation}",
            seed,
            0.5 + aside + (norm == "batch") * (effect + aside / 10),
            claims=(words,),
            settings={NORM: norm, ACTIVATION: activation},
        )
        for activation, effect in effects.items()
        for norm in ("none", "batch")
        for seed, aside in enumerate(SPREAD)
    ]
    (result,) = compare_runs(runs).claims

    assert " ".join(describe_claim(result).effect.split()) == "from -2.0 to +5.0 points"


def test_seeds_are_pairs_only_if_both_sides_have_runs():
    values = [0.45, 0.46, 0.44]
    none = build_cell("norm=none", values, claims=(claim(), claim(control=0.1)))
    batch = build_cell("norm=batch", [0.61, 0.63, 0.6], claims=(claim(), claim(control=0.1)))
    against_runs, against_chance = map(describe_claim, compare_runs([*none, *batch]).claims)

    assert "; 3 paired seeds." in against_runs.evidence
    assert "; 3 seeds." in against_chance.evidence


def test_a_difference_that_only_the_correction_leaves_open_is_told_apart():
    # p = 0.046 by itself, and four times that by Holm's method among four claims.
    claims = tuple(claim(margin=margin) for margin in (0.001, 0.002, 0.003, 0.004))
    values = [0.5, 0.5, 0.5, 0.5]
    none = build_cell("norm=none", values, claims=claims)
    found = {}
    for name, better in (
        ("clear", (0.01, 0.02, 0.04, 0.05)),
        ("unclear", (-0.04, 0.05, 0.03, 0.01)),
    ):
        batch = build_cell("norm=batch", [0.5 + one for one in better], claims=claims)
        result = compare_runs([*none, *batch]).claims[0]
        assert result.verdict == "inconclusive"
        found[name] = describe_claim(result).limits[0]

    reason = "neither to be apart from 0 nor to lie within the margin"
    assert f"{reason}, once corrected for looks and claims." in found["clear"]
    assert f"{reason}." in found["unclear"]


def test_factors_of_several_cases_are_a_range():
    cases = claim(**{"as": "ratio", "each": {ACTIVATION: ["relu", "tanh"]}, "margin": 0.05})
    runs = [
        build_run(
            f"norm={norm},activation={activation}",
            seed,
            (1 + aside) * (factor if norm == "batch" else 1),
            metric="test/loss",
            claims=({**cases, "metric": "test/loss"},),
            settings={NORM: norm, ACTIVATION: activation},
        )
        for activation, factor in (("relu", 0.5), ("tanh", 2.0))
        for norm in ("none", "batch")
        for seed, aside in enumerate(SPREAD)
    ]
    (result,) = compare_runs(runs, Question("test/loss")).claims

    assert describe_claim(result).effect == "a factor from 0.5 to 2"

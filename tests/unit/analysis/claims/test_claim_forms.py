"""Each form of a claim, on made-up results that point either way."""

from dataclasses import replace
from math import log
from statistics import fmean

import pytest
from records import CLAIM, build_run
from scipy import stats

from bnexp.analysis.claims.evidence import partial_conjunction
from bnexp.analysis.comparison import compare_runs
from bnexp.config.claim.config import ClaimConfig
from bnexp.reports.words.claims import describe_claim
from bnexp.runs.record import Series

NONE = [0.60, 0.62, 0.61, 0.59, 0.60, 0.615]
NOISE = [0.001, -0.001, 0.002, 0.0, -0.002, 0.0015]


def shifted(by):
    return [value + by + extra for value, extra in zip(NONE, NOISE, strict=True)]


def cells(columns, changes, *, key="model.norm.name", **fields):
    claims = ({**CLAIM, **changes},)
    return [
        build_run(
            f"{key}={name}",
            seed,
            value,
            claims=claims,
            settings=name if isinstance(name, dict) else {key: name},
            **fields,
        )
        for name, values in columns
        for seed, value in enumerate(values)
    ]


def assess(by, **changes):
    records = cells([("none", NONE), ("batch", shifted(by))], changes)
    (result,) = compare_runs(records).claims
    describe_claim(result)
    return result


@pytest.mark.parametrize(
    ("direction", "verdicts"),
    [
        # For a difference of -0.05, -0.015, 0, 0.015 and 0.05, with a margin of 0.01.
        ("higher", ["contradicted", "contradicted", "equivalent", "supported", "supported"]),
        ("lower", ["supported", "supported", "equivalent", "contradicted", "contradicted"]),
        ("equal", ["contradicted", "contradicted", "supported", "contradicted", "contradicted"]),
        ("not_lower", ["contradicted", "contradicted", "supported", "supported", "supported"]),
        ("not_higher", ["supported", "supported", "supported", "contradicted", "contradicted"]),
    ],
)
def test_each_direction_has_its_verdicts(direction, verdicts):
    found = [assess(by, direction=direction).verdict for by in (-0.05, -0.015, 0, 0.015, 0.05)]

    assert found == verdicts


def test_non_inferiority_is_scipys_one_sided_test_at_two_and_a_half_percent():
    result = assess(-0.004, direction="not_lower")
    differences = [value + 0.01 for value in result.test.by_seed.values()]
    expected = stats.ttest_1samp(differences, 0, alternative="greater").pvalue

    assert result.p_holm == pytest.approx(2 * expected)


def test_seeds_for_non_inferiority_are_those_of_a_one_sided_test():
    # A paired t test, one-sided at 2.5 %, of no difference against the margin.
    spread = 0.02
    values = [0.6 + spread * z for z in (-1.2, -0.4, 0.0, 0.3, 1.3, -0.9, 0.9)]
    records = cells([("none", [0.6] * 7), ("batch", values)], {"direction": "not_lower"})
    (result,) = compare_runs(records).claims

    def power(n):
        t = stats.t.ppf(0.975, n - 1)
        return stats.nct.sf(t, n - 1, 0.01 / stats.tstd(values) * n**0.5)

    needed = next(n for n in range(2, 500) if power(n) >= 0.8)
    assert (result.verdict, result.seeds_needed) == ("inconclusive", needed)


def test_the_probability_of_improvement_is_scipys_u_statistic():
    result = assess(0.01)
    u = stats.mannwhitneyu(shifted(0.01), NONE).statistic

    assert result.parts[0].probability_higher == pytest.approx(u / len(NONE) ** 2)
    assert f"treatment higher in {u:g} of 36 pairs of runs" in describe_claim(result).evidence


def test_a_number_as_control_is_scipys_one_sample_test():
    above, below = (assess(by, control=0.62).verdict for by in (0.2, -0.2))
    result = assess(0.2, control=0.62)

    assert (above, below) == ("supported", "contradicted")
    assert result.test.p == pytest.approx(stats.ttest_1samp(shifted(0.2), 0.62).pvalue)
    assert "(the claim's number)" in describe_claim(result).evidence


def test_the_difference_of_two_metrics_of_one_run():
    def found(gap):
        changes = {"control": 0.0, "metric": "test/accuracy - val/accuracy"}
        records = []
        for seed, value in enumerate(NONE):
            final = {"val/accuracy": value - gap - NOISE[seed]}
            records += [
                build_run(
                    "norm=batch", seed, value, claims=({**CLAIM, **changes},), final=final,
                    settings={"model.norm.name": "batch"},
                )
            ]  # fmt: skip
        (result,) = compare_runs(records).claims
        return result

    gaps = [0.05 + noise for noise in NOISE]
    assert (found(0.05).verdict, found(-0.05).verdict) == ("supported", "contradicted")
    assert found(0.05).test.mean == pytest.approx(fmean(gaps))


def test_a_ratio_is_tested_in_logarithms():
    result = assess(0.05, **{"as": "ratio", "margin": 0.02})
    logs = [log(a) - log(b) for a, b in zip(shifted(0.05), NONE, strict=True)]

    assert (result.verdict, assess(-0.05, **{"as": "ratio"}).verdict) == (
        "supported",
        "contradicted",
    )
    assert result.test.p == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)
    assert "a factor of 1.08" in describe_claim(result).evidence
    assert assess(0.005, **{"as": "ratio", "margin": 0.05}).verdict == "equivalent"


def test_a_metric_after_an_earlier_epoch():
    def found(first):
        changes = {"at": {"epoch": 1}}
        columns = (("none", 0.2), ("batch", first))
        records = [
            build_run(
                f"norm={name}", seed, 0.6, claims=({**CLAIM, **changes},),
                history=(start + NOISE[seed] * (name == "batch"), 0.6),
            )
            for name, start in columns
            for seed in range(6)
        ]  # fmt: skip
        return compare_runs(records).claims[0].verdict

    assert (found(0.3), found(0.1), found(0.2)) == ("supported", "contradicted", "equivalent")


def cases(effects, **changes):
    """Returns the verdict on {activation: effect of batch norm}."""
    claims = ({**CLAIM, "each": {"model.activation": [*effects]}, **changes},)
    records = [
        build_run(
            f"norm={norm},activation={activation}",
            seed,
            value,
            claims=claims,
            settings={"model.norm.name": norm, "model.activation": activation},
        )
        for activation, effect in effects.items()
        for norm, values in (("none", NONE), ("batch", shifted(effect)))
        for seed, value in enumerate(values)
    ]
    (result,) = compare_runs(records).claims
    describe_claim(result)
    return result


def test_a_claim_about_each_of_several_cases_needs_all_or_at_least_some():
    mixed = {"relu": 0.05, "tanh": 0.05, "sigmoid": -0.05}

    assert cases(dict.fromkeys(mixed, 0.05)).verdict == "supported"
    assert cases(dict.fromkeys(mixed, -0.05)).verdict == "contradicted"
    assert cases(dict.fromkeys(mixed, 0.0)).verdict == "equivalent"
    assert cases(mixed).verdict == "contradicted"
    assert cases(mixed, at_least=2).verdict == "supported"
    assert cases({"relu": 0.05, "tanh": -0.05, "sigmoid": -0.05}, at_least=2).verdict == (
        "contradicted"
    )


def test_cases_are_combined_by_the_partial_conjunction():
    result = cases({"relu": 0.05, "tanh": 0.003, "sigmoid": -0.05}, at_least=2, margin=0.0001)
    ps = sorted(part.test.p for part in result.parts if part.test.mean > 0)

    assert result.p_holm == pytest.approx(min(1, 2 * ps[1]))
    assert partial_conjunction([0.01, 0.02, 0.9], 2) == pytest.approx(0.04)
    assert partial_conjunction([0.01, 0.02, 0.9], 3) == 0.9
    assert partial_conjunction([0.01, 0.02, 0.9], 1) == pytest.approx(0.03)


def test_a_list_in_the_treatment_is_about_each_of_its_values():
    def found(group):
        changes = {"treatment": {"model.norm.name": ["batch", "group"]}}
        columns = [("none", NONE), ("batch", shifted(0.05)), ("group", shifted(group))]
        (result,) = compare_runs(cells(columns, changes)).claims
        return result.verdict

    assert (found(0.06), found(-0.05)) == ("supported", "contradicted")


def test_a_contrast_is_about_an_interaction():
    def found(small, large):
        reduction = {"name": "contrast", "over": "data.batch_size", "value": 8, "minus": 128}
        claims = ({**CLAIM, "reduction": reduction},)
        tables = {("none", 8): 0.0, ("none", 128): 0.0, ("batch", 8): small, ("batch", 128): large}
        records = [
            build_run(
                f"norm={norm},batch_size={size}", seed, value, claims=claims,
                settings={"model.norm.name": norm, "data.batch_size": size},
            )
            for (norm, size), effect in tables.items()
            for seed, value in enumerate(shifted(effect) if norm == "batch" else NONE)
        ]  # fmt: skip
        # The noise of the two batch sizes is one and the same: shake one of them.
        for run in records:
            if run.settings == {"model.norm.name": "batch", "data.batch_size": 8}:
                run.summary.final["test/accuracy"] += 0.0007 * run.seed
        (result,) = compare_runs(records).claims
        return result.verdict

    assert (found(0.08, 0.02), found(0.02, 0.08), found(0.05, 0.05)) == (
        "supported",
        "contradicted",
        "equivalent",
    )


def test_a_target_may_be_what_the_controls_run_ends_with():
    def found(fast):
        changes = {
            "metric": "epochs_to_target", "target": "control", "direction": "lower", "margin": 1,
        }  # fmt: skip
        claims = ({**CLAIM, **changes},)
        records = [
            build_run(
                f"norm={norm}", seed, history[-1], claims=claims, history=history,
                config={"train.epochs": 5, "model.norm.name": norm},
            )
            for seed in range(8)
            for norm, history in (
                ("none", (0.1, 0.2, 0.3, 0.4, 0.5 + 0.001 * seed)),
                ("batch", fast),
            )
        ]  # fmt: skip
        return compare_runs(records).claims[0].verdict

    assert found((0.4, 0.6, 0.7, 0.7, 0.7)) == "supported"
    assert found((0.1, 0.2, 0.3, 0.4, 0.6)) == "inconclusive"


def diagnosed(values, **changes):
    return diagnosed_result(values, **changes).verdict


def diagnosed_result(values, **changes):
    """Returns the result of layers that had these values after two epochs, against 2 and 1."""
    claims = ({**CLAIM, "metric": "diag/gradient_norm", "margin": 0.1, **changes},)
    records = []
    for norm, layers in (("none", ((2.0, 1.0),) * 3), ("batch", values)):
        for seed in range(6):
            run = build_run(f"norm={norm}", seed, 0.5, claims=claims, history=(0.5, 0.5))
            diagnostics = {
                f"diag/gradient_norm/blocks.{index}": Series(
                    (10, 20), (1, 2), tuple(one + 0.01 * NOISE[seed] * (index + 1) for one in both)
                )
                for index, both in enumerate(layers)
            }
            records.append(replace(run, diagnostics=diagnostics))
    (result,) = compare_runs(records).claims
    describe_claim(result)
    return result


def test_the_layers_of_a_diagnostic_become_one_figure():
    def found(layers, *finals):
        return diagnosed([(2.0, final) for final in finals], layers=layers)

    assert (found("median", 9.0, 2.0, 0.5), found("median", 9.0, 0.5, 0.1)) == (
        "supported",
        "contradicted",
    )
    assert (found("max", 9.0, 0.5, 0.1), found("min", 9.0, 2.0, 0.5)) == (
        "supported",
        "contradicted",
    )
    assert (found("mean", 9.0, 0.5, 0.1), found("mean", 1.0, 0.5, 0.1)) == (
        "supported",
        "contradicted",
    )


def test_a_diagnostic_of_one_layer_or_of_those_that_fit_a_pattern():
    values = [(2.0, 9.0), (2.0, 0.5)]

    assert diagnosed(values, metric="diag/gradient_norm/blocks.0") == "supported"
    assert diagnosed(values, metric="diag/gradient_norm/blocks.1") == "contradicted"
    assert diagnosed(values, metric="diag/gradient_norm/*.0", layers="min") == "supported"
    assert diagnosed(values, metric="diag/gradient_norm/*.1", layers="min") == "contradicted"


def test_a_diagnostic_after_an_earlier_epoch_as_a_ratio():
    changes = {"at": {"epoch": 1}, "as": "ratio", "layers": "median"}

    assert diagnosed([(9.0, 0.1)], **changes) == "supported"
    assert diagnosed([(0.5, 9.0)], **changes) == "contradicted"
    assert diagnosed([(2.0, 9.0)], **changes) == "equivalent"


def test_that_the_sides_have_other_layers_is_said():
    def kinds(layers):
        result = diagnosed_result([(2.0, 9.0)] * layers, layers="median")
        return {caveat.kind for caveat in result.caveats}

    assert "other layers" not in kinds(3)
    assert "other layers" in kinds(4)


def test_layers_without_a_reduction_leave_a_claim_open():
    assert diagnosed([(2.0, 9.0), (2.0, 9.0)]) == "inconclusive"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"at_least": 2}, "at_least goes with several cases"),
        ({"each": {"a": (1, 2)}, "at_least": 3}, "there are only 2 cases"),
        ({"each": {"model.norm.name": ("a", "b")}}, "cannot stand in treatment or control"),
        ({"each": {"a": ("x", "x")}}, "a list has the same value twice"),
        ({"treatment": {"a": (4, 8, 4)}}, "a list has the same value twice"),
        ({"metric": "test/accuracy - nothing"}, "'nothing' is not a metric"),
        ({"metric": "a - b - c"}, "must be one tag, or two"),
        ({"as": "ratio", "metric": "diverged"}, "as: ratio needs a figure above 0"),
        ({"at": {"epoch": 1}, "metric": "elapsed_seconds"}, "this metric is of the whole run"),
        ({"metric": "diag/gradient_norm/*"}, "layers: say how the figures of several layers"),
        ({"layers": "median"}, "layers goes with a diagnostic"),
        ({"control": 60.0}, "for 60 % write 0.6"),
        ({"control": 0.1, "metric": "diverged"}, "are compared between cells"),
        ({"reduction": {"name": "contrast", "over": "a"}}, "value and minus are two values"),
        ({"reduction": {"name": "slope", "over": "a", "tuning_seeds": (1,)}}, "only for best"),
        ({"metric": "epochs_to_target", "target": 0.5, "paired": False}, "it needs pairs"),
    ],
)
def test_what_contradicts_itself_is_refused(changes, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        ClaimConfig.model_validate({**CLAIM, **changes})


def test_a_mix_of_predictions_is_one_family_for_each_verdict():
    def ps(*directions):
        changes = [{"direction": one, "statement": str(n)} for n, one in enumerate(directions)]
        claims = tuple({**CLAIM, **change} for change in changes)
        records = [
            build_run(f"norm={name}", seed, value, claims=claims)
            for name, values in (("none", NONE), ("batch", shifted(0.0055)))
            for seed, value in enumerate(values)
        ]
        return [(one.p_holm, one.p_equivalence) for one in compare_runs(records).claims]

    # What would support them: that the difference is not 0, and that it is within the margin.
    ((higher, _),), ((_, equal),) = ps("higher"), ps("equal")
    (both_higher, _), (_, both_equal) = ps("higher", "equal")

    small, large = sorted((higher, equal))
    assert sorted((both_higher, both_equal)) == pytest.approx([2 * small, max(2 * small, large)])

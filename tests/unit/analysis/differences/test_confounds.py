import pytest
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.differences.confounds import confounding_keys, is_explained
from bnexp.analysis.results import Question

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]


def compare_configs(none, batch, **fields):
    """Compares two cells whose runs have these configs (and environments)."""
    return compare_runs(
        [
            *build_cell("norm=none", NONE, config=none, **fields),
            *build_cell("norm=batch", BATCH, config=batch, **fields),
        ]
    )


def compare_environments(none, batch, settings=({}, {})):
    cells = zip(("norm=none", "norm=batch"), (NONE, BATCH), (none, batch), settings, strict=True)
    return compare_runs(
        [
            run
            for cell, values, environment, extra in cells
            for run in build_cell(
                cell,
                values,
                environment=environment,
                settings={"model.norm.name": cell[5:], **extra},
            )
        ]
    )


def warnings_of(comparison):
    return tuple(caveat.text for caveat in comparison.caveats)


def verdict_of(comparison):
    return comparison.cells[1].difference.verdict


@pytest.mark.parametrize(
    ("key", "swept"),
    [
        ("data.batch_size", "data.batch_size"),
        ("model.layers.0.conv", "model.layers"),
        ("model.norm.momentum", "model.norm.name"),
        ("model.sha256", "model.path"),
    ],
)
def test_a_swept_key_explains_itself_and_what_lies_below_its_part(key, swept):
    assert is_explained(key, [swept])


@pytest.mark.parametrize(
    ("key", "swept"),
    [
        ("data.batch_size_of_eval", "data.batch_size"),
        ("model.norm", "model.norm.eps"),
        ("model.sha256", "model.class"),
        ("model.normal", "model.norm.name"),
    ],
)
def test_a_swept_key_explains_nothing_else(key, swept):
    assert not is_explained(key, [swept])


def test_configs_that_differ_only_as_swept_give_no_warning():
    comparison = compare_configs(
        {"model.norm.name": "none"}, {"model.norm.name": "batch", "model.norm.eps": 1e-5}
    )
    assert comparison.caveats == ()
    assert verdict_of(comparison) == "better"


def test_an_unswept_key_that_differs_is_named_with_its_values_and_forbids_a_verdict():
    comparison = compare_configs({"train.epochs": 5}, {"train.epochs": 10})
    assert warnings_of(comparison) == (
        "cells differ in more than the sweep: train.epochs is 5 (norm=none), "
        "10 (norm=batch): no causal verdict",
    )
    assert verdict_of(comparison) == "confounded"
    assert comparison.cells[1].difference.confounds == ("train.epochs",)


def test_the_figures_of_a_confounded_difference_are_still_there():
    difference = compare_configs({"train.epochs": 5}, {"train.epochs": 10}).cells[1].difference
    assert difference.p_holm < 0.05


def test_only_cells_that_differ_from_the_baseline_are_confounded():
    records = [
        *build_cell("norm=none", NONE),
        *build_cell("norm=batch", BATCH),
        *build_cell("norm=group", BATCH, config={"train.epochs": 99, "model.norm.name": "group"}),
    ]
    verdicts = [cell.difference.verdict for cell in compare_runs(records).cells[1:]]
    assert verdicts == ["better", "confounded"]


def test_a_key_that_one_cell_lacks_differs():
    comparison = compare_configs(
        {"train.epochs": 5}, {"optim.decay_norm": False, "train.epochs": 5}
    )
    (warning,) = warnings_of(comparison)
    assert "optim.decay_norm is absent (norm=none), false (norm=batch)" in warning


@pytest.mark.parametrize(
    "key", ["name", "train.seed", "sweep.seeds", "data.root", "model.path", "claim.margin"]
)
def test_labels_and_places_are_no_confounds(key):
    assert compare_configs({key: "a"}, {key: "b"}).caveats == ()


def test_whole_numbers_equal_their_floats():
    assert compare_configs({"train.epochs": 5}, {"train.epochs": 5.0}).caveats == ()


def test_true_differs_from_one():
    assert compare_configs({"train.compile": True}, {"train.compile": 1}).caveats


def test_of_many_differing_keys_the_first_are_named_and_the_rest_counted():
    none = {f"train.option_{number}": 0 for number in range(9)}
    batch = dict.fromkeys(none, 1)
    warning = warnings_of(compare_configs(none, batch))[0]
    assert [key for key in none if key in warning] == list(none)[:6]
    assert "and 3 more keys" in warning


def test_seeds_of_one_cell_with_other_configs_are_named():
    records = [
        build_run("norm=none", seed, value, config={"train.epochs": 5 if seed < 2 else 10})
        for seed, value in enumerate(NONE)
    ]
    assert warnings_of(compare_runs(records)) == (
        "runs of one cell differ in more than the seed: train.epochs is "
        "5 (norm=none seeds 0, 1), 10 (norm=none seed 2): no causal verdict",
    )


def test_a_swept_key_that_varies_within_a_cell_confounds():
    records = [
        *build_cell("norm=none", NONE),
        *(
            build_run("norm=batch", seed, value, config={"model.norm.eps": seed})
            for seed, value in enumerate(BATCH)
        ),
    ]
    records[:3] = build_cell("norm=none", NONE, config={"model.norm.eps": 0})
    comparison = compare_runs(records)
    assert "runs of one cell differ in more than the seed" in warnings_of(comparison)[0]
    assert verdict_of(comparison) == "confounded"


def test_configs_of_unfinished_runs_confound_nothing():
    records = [
        *build_cell("norm=none", NONE),
        *build_cell("norm=batch", BATCH),
        build_run("norm=batch", 9, state="interrupted", config={"train.epochs": 99}),
    ]
    assert verdict_of(compare_runs(records)) == "better"


def test_another_dataset_forbids_a_verdict():
    comparison = compare_environments({"dataset.fingerprint": "a"}, {"dataset.fingerprint": "b"})
    assert warnings_of(comparison) == (
        "the data differ: dataset.fingerprint is a (norm=none), b (norm=batch): no causal verdict",
    )
    assert verdict_of(comparison) == "confounded"


def test_another_dataset_is_expected_where_the_data_are_swept():
    comparison = compare_environments(
        {"dataset.fingerprint": "a"},
        {"dataset.fingerprint": "b"},
        ({"data.name": "shapes"}, {"data.name": "cifar10"}),
    )
    assert comparison.caveats == ()


def test_a_swept_batch_size_excuses_no_other_dataset():
    comparison = compare_environments(
        {"dataset.fingerprint": "a"},
        {"dataset.fingerprint": "b"},
        ({"data.batch_size": 8}, {"data.batch_size": 128}),
    )
    assert verdict_of(comparison) == "confounded"


@pytest.mark.parametrize("key", ["git.commit", "git.dirty", "versions.torch", "versions.bnexp"])
def test_other_code_forbids_a_verdict(key):
    comparison = compare_environments({key: "a"}, {key: "b"})
    assert warnings_of(comparison) == (
        f"the code or its versions differ: {key} is a (norm=none), b (norm=batch): "
        "no causal verdict",
    )
    assert verdict_of(comparison) == "confounded"
    assert comparison.cells[1].difference.confounds == (key,)


def mixed_commits(none, batch):
    """Two cells whose seeds were made at these commits."""
    return compare_runs(
        [
            build_run(cell, seed, value, environment={"git.commit": commit})
            for cell, values, commits in (("norm=none", NONE, none), ("norm=batch", BATCH, batch))
            for seed, (value, commit) in enumerate(zip(values, commits, strict=True))
        ]
    )


def test_cells_with_the_same_mixture_of_commits_are_only_warned_of():
    comparison = mixed_commits("aab", "aab")
    assert (
        "the runs were not made under the same conditions: git.commit is a"
        in warnings_of(comparison)[0]
    )
    assert "no causal verdict" not in warnings_of(comparison)[0]
    assert verdict_of(comparison) == "better"


def test_a_commit_that_only_one_of_two_cells_has_forbids_a_verdict():
    assert verdict_of(mixed_commits("aaa", "aab")) == "confounded"


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        (3, "norm=0, norm=1, norm=2"),
        (4, "norm=0, norm=1 and 2 more"),
    ],
)
def test_up_to_three_cells_with_a_value_are_named_and_more_are_counted(cells, named):
    settings = {"model.norm.name": None}
    records = [
        build_run(f"norm={n}", settings=settings, config={"train.epochs": 5 if n < cells else 10})
        for n in range(cells + 1)
    ]
    text = " ".join(warnings_of(compare_runs(records)))
    assert f"5 ({named})" in text
    assert f"10 (norm={cells})" in text


@pytest.mark.parametrize("lost", ["config", "environment"])
def test_runs_that_cannot_be_checked_get_no_causal_verdict(lost):
    records = [
        *build_cell("norm=none", NONE),
        *build_cell("norm=batch", BATCH, **{lost: {}}),
        *build_cell("norm=group", BATCH),
    ]
    comparison = compare_runs(records)
    assert warnings_of(comparison) == (
        "3 runs have no readable config or environment, so what they ran on cannot be checked: "
        "norm=batch seeds 0, 1, 2: no causal verdict",
    )
    verdicts = [
        (cell.difference.verdict, cell.difference.unchecked) for cell in comparison.cells[1:]
    ]
    assert verdicts == [("confounded", 3), ("better", 0)]


def compare_costs(none, batch, metric="images_per_second", swept=({}, {})):
    """Compares the speed of two cells that ran in these environments."""
    cells = zip(("norm=none", "norm=batch"), (none, batch), swept, (1000.0, 2000.0), strict=True)
    return compare_runs(
        [
            build_run(
                cell,
                seed,
                environment=environment,
                settings={"model.norm.name": cell[5:], **extra},
                speed=speed * (1 + seed / 100),
            )
            for cell, environment, extra, speed in cells
            for seed in range(3)
        ],
        Question(metric),
    )


@pytest.mark.parametrize("key", ["device.name", "threads", "processor", "platform"])
def test_other_machines_forbid_a_verdict_on_speed(key):
    comparison = compare_costs({key: "a"}, {key: "b"})
    assert verdict_of(comparison) == "confounded"
    assert warnings_of(comparison) == (
        f"machines that images_per_second depends on differ: {key} is a (norm=none), "
        "b (norm=batch): no causal verdict",
    )


def test_a_device_that_is_swept_explains_another_speed():
    comparison = compare_costs(
        {"device.type": "cpu"},
        {"device.type": "cuda"},
        swept=({"train.device": "cpu"}, {"train.device": "cuda"}),
    )
    assert verdict_of(comparison) == "better"


@pytest.mark.parametrize("key", ["data.train_size", "data.val_size", "data.drop_last"])
def test_a_share_of_the_pictures_that_is_swept_excuses_no_other_dataset(key):
    comparison = compare_environments(
        {"dataset.fingerprint": "a"}, {"dataset.fingerprint": "b"}, ({key: 1}, {key: 2})
    )
    assert verdict_of(comparison) == "confounded"


def test_other_uncommitted_changes_forbid_a_verdict():
    dirty = {"git.commit": "a", "git.dirty": True}
    comparison = compare_environments({**dirty, "git.changes": "1"}, {**dirty, "git.changes": "2"})
    assert verdict_of(comparison) == "confounded"


def test_changes_that_were_not_recorded_are_no_changes():
    clean = {"git.commit": "a", "git.dirty": False}
    assert compare_environments(clean, {**clean, "git.changes": None}).caveats == ()


@pytest.mark.parametrize("key", ["versions.numpy", "device.name", "threads", "processor"])
def test_other_machines_or_lesser_versions_are_named_but_leave_the_verdict(key):
    comparison = compare_environments({key: "a"}, {key: "b"})
    assert warnings_of(comparison) == (
        f"the runs were not made under the same conditions: {key} is a (norm=none), b (norm=batch)",
    )
    assert verdict_of(comparison) == "better"


def test_long_digests_are_shortened():
    comparison = compare_environments({"git.commit": "a" * 40}, {"git.commit": "b" * 40})
    assert "git.commit is aaaaaaaaaaaa (norm=none)" in warnings_of(comparison)[0]


def test_other_command_lines_are_of_no_interest():
    assert compare_environments({"command": "a"}, {"command": "b"}).caveats == ()


def test_other_diagnostics_are_no_confound():
    comparison = compare_configs(
        {"model.norm.name": "none", "diagnostics": "[]"},
        {"model.norm.name": "batch", "diagnostics.0.name": "gradient_norm"},
    )

    assert warnings_of(comparison) == ()
    assert verdict_of(comparison) == "better"


def test_other_diagnostics_are_a_confound_of_what_a_run_costs():
    settings = [{"model.norm.name": name} for name in ("none", "batch")]
    configs = [{"diagnostics": "[]"}, {"diagnostics.0.name": "gradient_norm"}]
    cells = [
        build_cell(f"norm={one['model.norm.name']}", NONE, config=config | one, settings=one)
        for one, config in zip(settings, configs, strict=True)
    ]

    keys = confounding_keys(*cells, ["model.norm.name"], "perf/images_per_second")

    assert keys == ("diagnostics", "diagnostics.0.name")
    assert confounding_keys(*cells, ["model.norm.name"], "test/accuracy") == ()

import pytest
from records import build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.reports.table import build_table
from bnexp.reports.words.cell_names import shorten_cell_names


def labels_of(*settings):
    records = [build_run(f"cell {place}", settings=values) for place, values in enumerate(settings)]
    return list(shorten_cell_names(compare_runs(records)).values())


def norm(name, **others):
    keys = {key.replace("__", "."): value for key, value in others.items()}
    return {"model.norm.name": name, **keys}


def test_one_setting_is_named_with_its_key():
    assert labels_of(norm("none"), norm("batch")) == ["norm=none", "norm=batch"]


def test_each_of_several_settings_is_named_with_its_key():
    rate = "optim.learning_rate"
    labels = labels_of({**norm("none"), rate: 0.05}, {**norm("batch"), rate: 0.4})
    assert labels == ["norm=none, learning rate 0.05", "norm=batch, learning rate 0.4"]


def test_what_all_cells_share_is_left_out():
    assert labels_of(norm("none", model__depth=3), norm("batch", model__depth=3)) == [
        "norm=none",
        "norm=batch",
    ]


def test_two_numbers_are_named_with_their_keys():
    labels = labels_of(
        norm("none", data__batch_size=8, optim__learning_rate=0.1),
        norm("batch", data__batch_size=32, optim__learning_rate=0.4),
    )
    assert labels[1] == "norm=batch, batch size 32, learning rate 0.4"


def test_a_word_that_two_settings_have_is_named_with_each_key():
    labels = labels_of(norm("none", data__augment="none"), norm("batch", data__augment="flip"))
    assert labels == ["norm=none, augment=none", "norm=batch, augment=flip"]


def test_a_switch_is_named_where_it_is_on():
    labels = labels_of(norm("none", model__affine=False), norm("batch", model__affine=True))
    assert labels == ["norm=none", "norm=batch, affine=true"]


@pytest.mark.parametrize("nothing", [None, "empty"])
def test_what_is_null_or_empty_is_not_named_unless_nothing_else_is(nothing):
    key = "data.augment"
    labels = labels_of(*({**norm(name), key: value} for name, value in (
        ("none", nothing), ("batch", nothing), ("batch", "flip"))))  # fmt: skip
    assert labels == ["norm=none", "norm=batch", "norm=batch, augment=flip"]
    written = "null" if nothing is None else nothing
    assert labels_of({key: nothing}, {key: "flip"}) == [f"augment={written}", "augment=flip"]


def test_the_options_of_a_part_are_named_where_it_comes_with_several():
    labels = labels_of(norm("group(num_groups=8)"), norm("batch"), norm("batch(eps=0.1)"))
    assert labels == ["norm=group", "norm=batch", "norm=batch(eps=0.1)"]


@pytest.mark.parametrize("settings", [({}, {}), ({"model.affine": True}, {"model.affine": True})])
def test_cells_that_settings_do_not_tell_apart_keep_their_names(settings):
    assert labels_of(*settings) == ["cell 0", "cell 1"]


def test_values_that_look_the_same_keep_the_cells_names():
    assert labels_of(norm("none", a__b="null"), norm("none", a__b=None)) == ["cell 0", "cell 1"]


def build_norm_cells(**options):
    """Returns a comparison of batch norm with group norm, whose options batch norm lacks."""
    batch = {"model.norm.name": "batch"}
    group = {"model.norm.name": "group", **options}
    return compare_runs(
        [
            build_run(f"norm={values['model.norm.name']}", seed, settings=settings, config=values)
            for values, settings in (
                (batch, {**batch, **dict.fromkeys(options)}),
                (group, group),
            )
            for seed in range(3)
        ]
    )


def test_an_option_that_one_norm_alone_has_is_part_of_that_norm():
    comparison = build_norm_cells(**{"model.norm.num_groups": 4})

    (difference,) = (cell.difference for cell in comparison.cells if cell.difference)
    assert difference.changed == ("model.norm.name",)
    assert list(shorten_cell_names(comparison).values()) == [
        "norm=batch",
        "norm=group(num_groups=4)",
    ]
    columns = build_table(comparison).names
    assert [tuple(column.text(row, " ") for row in range(2)) for column in columns] == [
        ("batch", "group"),
        ("–", "4"),
    ]


def test_an_option_that_both_parts_have_is_a_factor_of_its_own():
    records = [
        build_run(f"cell {place}", settings={"model.norm.name": name, "model.norm.eps": eps})
        for place, (name, eps) in enumerate([("batch", 1e-5), ("group", 1e-3)])
    ]

    (difference,) = (cell.difference for cell in compare_runs(records).cells if cell.difference)
    assert difference.changed == ("model.norm.name", "model.norm.eps")
    assert list(shorten_cell_names(compare_runs(records)).values()) == [
        "norm=batch(eps=1e-05)",
        "norm=group(eps=0.001)",
    ]

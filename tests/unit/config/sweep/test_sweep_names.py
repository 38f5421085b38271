"""Keys get short names that still tell them apart."""

from bnexp.config.sweep.names import short_names


def test_a_part_is_named_by_itself_and_not_by_its_name_field():
    assert short_names(["model.norm.name", "data.batch_size"]) == ("norm", "batch_size")


def test_names_grow_only_if_they_would_be_equal():
    assert short_names(["data.name", "model.a.eps", "model.b.eps"]) == ("data", "a.eps", "b.eps")


def test_a_name_that_is_taken_grows_as_well():
    assert short_names(["model.norm.momentum"], ["momentum"]) == ("norm.momentum",)

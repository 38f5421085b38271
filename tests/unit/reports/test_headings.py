from dataclasses import replace

from records import build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.words.headings import describe_part, describe_title

WHOLE = compare_runs([build_run()])


def parts(*conditions):
    return [replace(WHOLE, where=where) for where in conditions]


def test_a_title_names_experiment_and_metric():
    assert describe_title([WHOLE]) == "study: test/accuracy after the last epoch"


def test_a_figure_of_the_whole_run_is_not_said_to_be_of_the_last_epoch():
    speed = compare_runs([build_run()], Question("images_per_second"))
    assert describe_title([speed]) == "study: images_per_second of the whole run"


def test_conditions_that_all_tables_share_stand_in_the_title():
    tables = parts({"a.x": ("1",), "b.y": ("2",)}, {"a.x": ("1",), "b.y": ("3",)})
    assert describe_title(tables).endswith("epoch, where x = 1")
    assert [describe_part(table, tables) for table in tables] == ["y = 2", "y = 3"]


def test_a_single_table_has_all_of_its_conditions_in_the_title():
    (table,) = parts({"model.norm.name": ("batch",)})
    assert describe_title([table]).endswith("where norm = batch")
    assert describe_part(table, [table]) == ""

"""Copies of shipped configs: the same runs in one file, every key with its comment."""

import re
import shutil

import pytest

from bnexp.config.load import load_experiment
from bnexp.config.shipped import find_shipped, list_shipped
from bnexp.config.whole import write_whole
from bnexp.config.yaml.reader import find_comments

SHIPPED = list_shipped()
each = pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: one.name)


@each
def test_it_makes_the_same_runs_alone(shipped, tmp_path):
    copied = tmp_path / "copy.yaml"
    copied.write_text(write_whole(shipped, "copy.yaml"), "utf-8")
    ours, theirs = load_experiment(copied), load_experiment(shipped.path)

    assert ours.name == theirs.name
    assert [run.identity for run in ours.runs] == [run.identity for run in theirs.runs]
    assert [run.config.claim for run in ours.runs] == [run.config.claim for run in theirs.runs]


@each
def test_it_extends_nothing(shipped):
    assert not re.search("^extends", write_whole(shipped, "copy.yaml"), re.MULTILINE)


@each
def test_it_keeps_every_comment_of_the_file(shipped):
    comments = find_comments(shipped.path.read_text("utf-8")).values()
    copied = " ".join(find_comments(write_whole(shipped, f"configs/{shipped.name}.yaml")).values())

    assert [one for one in comments if one not in copied] == []


@each
def test_every_key_of_a_section_has_a_comment(shipped):
    # In `tiers` stand the same keys again, as an overlay.
    lines = write_whole(shipped, "copy.yaml").partition("\ntiers:")[0].splitlines()
    keys = [at for at, line in enumerate(lines) if re.match(r" *(- )?[a-z_]+:", line)]

    assert [lines[at] for at in keys if "#" not in lines[at - 1]] == []


def test_it_starts_with_the_schema_for_editors():
    first = write_whole(find_shipped("quickstart"), "copy.yaml").partition("\n")[0]

    assert first == "# yaml-language-server: $schema=bnexp.schema.json"


def test_its_command_names_the_copy():
    text = write_whole(find_shipped("quickstart"), "my own/copy.yaml")

    assert "# Command:  bnexp train 'my own/copy.yaml' && bnexp compare quickstart\n" in text


def test_the_comment_of_a_part_is_about_the_one_that_is_chosen():
    text = write_whole(find_shipped("resnet20"), "copy.yaml")

    assert "    # The learning rate times `gamma` at each milestone.\n    name: step\n" in text


def test_it_is_written_in_the_words_of_the_file(tmp_path):
    """A comment at the end of a line explains the outermost key that it can be about."""
    file = tmp_path / "configs/one.yaml"
    file.parent.mkdir()
    shutil.copy(find_shipped("quickstart").path, file)
    text = file.read_text("utf-8").replace("train: {epochs: 4}", "train: {epochs: 4}  # enough")
    text = text.replace("{name: sgd, ", "{name: sgd, momentum: 0.5, ").replace(
        "warmup_epochs: 1}}", "warmup_epochs: 1}}  # by trying"
    )
    file.write_text(text, "utf-8")
    shipped = type(SHIPPED[0])("one", file)

    copied = write_whole(shipped, "one.yaml")

    assert "  # enough\n  epochs: 4\n" in copied
    assert "# by trying\noptim:\n" in copied

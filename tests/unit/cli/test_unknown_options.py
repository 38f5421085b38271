"""An option that a command does not have is answered with one that it has, or a config's key."""

import pytest
from typer.testing import CliRunner

from bnexp.cli.app import build_app


@pytest.mark.parametrize(
    ("command", "suggestion"),
    [
        (["train", "c.yaml", "--epochs", "3"], "-s train.epochs=…"),
        (["plan", "c.yaml", "--batch-size", "8"], "-s data.batch_size=…"),
        (["train", "c.yaml", "--lr", "0.1"], "-s optim.learning_rate=…"),
        (["train", "c.yaml", "--seed", "1"], "-s train.seed=…"),
        (["show", "c.yaml", "--norm", "bn"], "-s model.norm=…"),
        (["train", "c.yaml", "--gpu", "0"], "--device"),
        (["train", "c.yaml", "--overwrite"], "--force"),
        (["ls", "--output", "runs"], "--runs-dir"),
        (["train", "c.yaml", "--drry-run"], "--dry-run"),
    ],
)
def test_an_unknown_option_suggests_what_to_write(command, suggestion):
    result = CliRunner().invoke(build_app(), command)

    assert result.exit_code == 2
    assert f"(did you mean '{suggestion}'?)" in result.output


@pytest.mark.parametrize(
    ("command", "suggestion"),
    [
        (["run", "c.yaml"], "train"),
        (["tensorboard"], "tb"),
        (["delete", "a"], "rm"),
        (["report"], "compare"),
        (["eval", "a"], "evaluate"),
        (["data", "download"], "fetch"),
    ],
)
def test_an_unknown_command_suggests_one_that_there_is(command, suggestion):
    result = CliRunner().invoke(build_app(), command)

    assert result.exit_code == 2
    assert f"(did you mean '{suggestion}'?)" in result.output


def test_an_option_like_no_other_names_the_way_to_set_keys():
    result = CliRunner().invoke(build_app(), ["train", "c.yaml", "--zzz"])

    assert "-s KEY=VALUE" in result.output

"""Shell completion: what TAB offers."""

import pytest
from made_up_runs import add_rows, make_runs

from bnexp.config.shipped import list_shipped


@pytest.fixture
def complete(bnexp, tmp_path):
    def offer(line):
        """Returns what is offered for the last word of a command line, as bash asks for it."""
        words = line.split(" ")
        asked = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
        done = bnexp(cwd=tmp_path, _BNEXP_COMPLETE="complete_bash", **asked)
        assert done.stderr == ""
        return done.stdout.split()

    return offer


@pytest.fixture
def runs(tmp_path):
    for seed in (0, 1):
        run = tmp_path / f"runs/first/norm=batch/seed={seed}"
        run.mkdir(parents=True)
        (run / "status.json").write_text("{}")
    return tmp_path / "runs"


def test_commands_are_offered(complete):
    assert complete("bnexp in") == ["init"]


@pytest.mark.parametrize("command", ["train", "plan", "show"])
def test_configs_files_and_folders_are_offered(command, complete, tmp_path):
    (tmp_path / "quick").mkdir()
    (tmp_path / "quiet.yaml").touch()
    (tmp_path / "quiet.txt").touch()

    assert complete(f"bnexp {command} qui") == ["quick/", "quiet.yaml", "quickstart"]


def test_configs_are_offered_with_their_folder_if_it_is_typed(complete):
    names = [one.name for one in list_shipped() if one.name.startswith("cifar10/res")]

    assert complete("bnexp init cifar10/res") == names


@pytest.mark.parametrize("command", ["compare", "ls", "tb", "rm", "show"])
def test_experiments_are_offered(command, complete, runs):
    assert complete(f"bnexp {command} fi") == ["first"]


def test_experiments_of_another_folder_are_offered(complete, runs):
    runs.rename(runs.with_name("older"))

    assert complete("bnexp ls --runs-dir older ") == ["first"]


def test_cells_and_runs_are_offered_below_an_experiment(complete, runs):
    assert complete("bnexp rm first/") == ["first/norm=batch"]
    assert complete("bnexp rm first/norm=batch/") == [
        "first/norm=batch/seed=0",
        "first/norm=batch/seed=1",
    ]


TIERED = "name: x\ntiers: {smoke: {}, small: {}, full: {}}\n"


@pytest.mark.parametrize("command", ["train", "plan", "show"])
def test_tiers_of_the_config_are_offered(command, complete, tmp_path):
    (tmp_path / "c.yaml").write_text(TIERED)

    assert complete(f"bnexp {command} c.yaml --tier sm") == ["smoke", "small"]


@pytest.mark.parametrize("command", ["compare", "show"])
def test_tiers_that_have_runs_are_offered(command, complete, runs):
    (runs / "first").rename(runs / "first.smoke")

    assert complete(f"bnexp {command} first --tier ") == ["smoke"]


def test_no_tiers_are_offered_for_a_config_with_mistakes(complete, tmp_path):
    (tmp_path / "c.yaml").write_text("tiers: [\n")

    assert complete("bnexp train c.yaml --tier ") == []


def test_metrics_of_a_run_are_offered_with_its_diagnostics(complete, tmp_path):
    folder = make_runs(tmp_path / "runs", cells=2, seeds=1, epochs=1)
    values = {"diag/gradient_norm/conv1": 1.0, "diag/gradient_norm/conv2": 2.0, "diag/gamma/n": 1.0}
    for run in folder.glob("*/seed=0"):
        add_rows(run, {(1, 1): values})

    assert complete("bnexp compare many --metric test/") == ["test/loss", "test/accuracy"]
    assert complete("bnexp compare --metric diag/gr") == [
        "diag/gradient_norm",
        "diag/gradient_norm/conv1",
        "diag/gradient_norm/conv2",
    ]
    assert complete("bnexp compare nothing --metric t") == []

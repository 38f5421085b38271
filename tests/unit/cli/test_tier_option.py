"""`--tier` of the commands that know it: which config is trained, and which runs are meant."""

from pathlib import Path

import pytest
from sweeps import CONFIG

from bnexp.cli.names import add_tier

TIERS = "tiers: {smoke: {data: {train_size: 100}}, full: {train: {epochs: 2}}}\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, bnexp):
    """A folder with the runs of one tier, and the command in it."""
    folder = tmp_path_factory.mktemp("tiers")
    (folder / "c.yaml").write_text(CONFIG + TIERS)

    def run(*arguments):
        return bnexp(*arguments, cwd=folder)

    done = run("train", "c.yaml", "--tier", "smoke")
    assert (done.returncode, done.stdout) == (
        0,
        "compare:     bnexp compare many.smoke\nTensorBoard: bnexp tb many.smoke\n",
    )
    return run


def test_plan_knows_the_runs_of_a_tier(trained):
    smoke = trained("plan", "c.yaml", "--tier", "smoke")
    full = trained("train", "c.yaml", "--tier", "full", "--dry-run")

    assert "many.smoke: 1 run in runs/many.smoke\n" in smoke.stdout
    assert "nothing to do" in smoke.stdout
    assert "many.full: 1 run in runs/many.full\n" in full.stdout


@pytest.mark.parametrize("target", ["many", "runs/many", "many/base"])
def test_compare_and_show_find_the_runs_of_a_tier(target, trained):
    assert trained("compare", target, "--tier", "smoke").stdout.startswith("many.smoke: test/acc")
    assert trained("show", target, "--tier", "smoke").stdout.startswith("many.smoke, base, seed 0")


def test_compare_and_show_name_the_tiers_that_there_are(trained):
    for command in ("compare", "show"):
        done = trained(command, "many", "--tier", "smok")
        assert (done.returncode, done.stdout) == (2, "")
        assert "no runs of 'many.smok' in runs (did you mean 'many.smoke'?)" in done.stderr


def test_show_finds_the_network_of_a_tier(trained):
    shown = trained("show", "c.yaml", "--tier", "full")

    assert shown.stdout.startswith("many.full, base: cnn on 32×32×3\n")


def test_an_unknown_tier_of_a_config_is_one_line(trained):
    done = trained("plan", "c.yaml", "--tier", "ful")

    assert (done.returncode, done.stderr) == (
        2,
        "error: --tier: c.yaml has no tier 'ful' (did you mean 'full'?)\n",
    )


def test_compare_needs_a_name_for_a_tier(trained):
    assert "name the experiment too" in trained("compare", "--tier", "smoke").stderr


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("a", "a.t"),
        ("a/b/seed=0", "a.t/b/seed=0"),
        ("my/runs/a/b", "a.t/b"),
        ("/else/where", "/else/where.t"),
        (".", "."),
    ],
)
def test_a_tier_is_part_of_the_name_of_the_experiment(target, named):
    assert add_tier(target, "t", Path("my/runs")) == named
    assert add_tier(target, None, Path("my/runs")) == target

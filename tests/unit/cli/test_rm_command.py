"""`bnexp rm` removes the runs that are named, after asking, and nothing else."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from made_up_runs import make_runs
from typer.testing import CliRunner

from bnexp.cli.runs.rm import rm
from bnexp.errors import UsageError
from bnexp.locks import hold_lock
from bnexp.runs import list_experiments, read_experiments
from bnexp.runs.removal import plan_removal, remove

NONE, BATCH = "norm=none,learning_rate=0.001", "norm=batch,learning_rate=0.001"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_runs(Path("runs"))
    return tmp_path


def run(*arguments, answer=None):
    app = typer.Typer()
    app.command()(rm)
    return CliRunner().invoke(app, arguments, input=answer)


def runs_left():
    return [str(path.relative_to("runs/many")) for path in sorted(Path("runs/many").glob("*/*"))]


def refusal(*arguments):
    """Returns why the command is refused; nothing is removed then."""
    before = sorted(Path().rglob("*"))
    error = run(*arguments, "--yes").exception
    assert isinstance(error, UsageError), error
    assert sorted(Path().rglob("*")) == before
    return str(error)


def test_a_run_a_cell_and_an_experiment_are_removed_by_name_and_by_path(here):
    assert run(f"many/{NONE}/seed=1", "--yes").exit_code == 0
    assert f"{NONE}/seed=1" not in runs_left()
    assert len(runs_left()) == 5

    run(f"runs/many/{BATCH}", "--yes")
    assert runs_left() == [f"{NONE}/seed=0", f"{NONE}/seed=2"]

    run("many", "--yes")
    assert not Path("runs/many").exists()
    assert Path("runs").is_dir()


def test_what_would_go_is_told_and_asked_for(here):
    refused = run("many", answer="n\n")

    assert refused.exit_code == 1
    assert "runs/many: 6 runs, 6 finished" in refused.stderr
    assert f"runs/many/{NONE}/seed=0  finished" in refused.stderr
    assert "Permanently delete 6 runs? [y/N]:" in refused.stderr
    assert refused.stderr.endswith("nothing deleted\n")
    assert len(runs_left()) == 6
    assert run("many", answer="y\n").exit_code == 0
    assert not Path("runs/many").exists()


def test_without_an_answer_nothing_is_removed(here):
    error = run("many", answer="").exception

    assert str(error) == "nothing deleted: no answer; --yes deletes without asking"
    assert len(runs_left()) == 6


def test_without_stdin_nothing_is_removed_as_without_an_answer(here):
    command = f'exec "{sys.executable}" -m bnexp rm many <&-'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stderr.endswith("nothing deleted: no answer; --yes deletes without asking\n"), (
        done.stderr
    )
    assert len(runs_left()) == 6


def test_a_run_named_twice_over_is_removed_once(here):
    done = run("many", f"many/{NONE}", f"many/{NONE}/seed=0", "--yes")

    assert done.exit_code == 0
    assert done.stderr.endswith("deleted 6 runs\n")


def test_files_of_ones_own_beside_the_runs_are_kept(here):
    Path("runs/many/notes.md").write_text("mine")
    (Path("runs/many") / NONE / "plot.png").write_text("mine")
    Path("runs/many/_compare").mkdir()

    done = run("many", "--yes")

    assert f"kept {NONE}, notes.md in runs/many: not written by bnexp" in done.stderr
    assert sorted(path.name for path in Path("runs").rglob("*") if path.is_file()) == [
        "many.yaml",
        "notes.md",
        "plot.png",
    ]


@pytest.mark.parametrize("target", ["no-such-run", "many.yaml", "../runs/many", ".", "", "runs"])
def test_what_is_no_run_is_refused(target, here):
    assert refusal(target)


def test_a_folder_that_is_none_of_a_run_is_refused(here):
    Path("runs/many/precious/seed=9").mkdir(parents=True)

    assert "no runs of 'many/precious'" in refusal("many/precious")
    assert "no runs of 'many/precious/seed=9'" in refusal("many/precious/seed=9")


def test_a_held_run_is_refused_and_with_it_the_whole_command(here):
    held = Path("runs/many") / NONE / "seed=0"
    with hold_lock(held / ".lock", pytest.fail):
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        reason = f"{held} is being trained by {holder} right now; stop it first"
        assert refusal("many") == reason
        assert refusal(f"many/{BATCH}", f"many/{NONE}") == reason
        assert run(f"many/{BATCH}", "--yes").exit_code == 0


def test_a_run_that_begins_between_the_question_and_the_answer_is_kept(here):
    held = Path("runs/many") / NONE / "seed=0"
    (removal,) = plan_removal([str(held)], Path("runs"))

    with (
        hold_lock(held / ".lock", pytest.fail),
        pytest.raises(UsageError, match="is being trained by process"),
    ):
        remove(removal)

    assert len(runs_left()) == 6
    assert read_experiments(["many"], Path("runs"))[0].state == "finished"


@pytest.mark.parametrize("level", ["many", f"many/{NONE}", f"many/{NONE}/seed=0"])
def test_a_symbolic_link_is_refused_and_what_it_leads_to_stays(level, here):
    link = Path("runs") / level
    link.rename("elsewhere")
    link.symlink_to(here / "elsewhere", target_is_directory=True)

    assert f"{link} is a symbolic link" in refusal(level)
    assert f"{link} is a symbolic link" in refusal(f"many/{NONE}/seed=0")
    assert f"{link} is a symbolic link" in refusal("many")
    assert any(Path("elsewhere").iterdir())


def test_links_inside_of_a_run_are_removed_and_not_followed(here):
    Path("precious").mkdir()
    Path("precious/file").write_text("mine")
    (Path("runs/many") / NONE / "seed=0/link").symlink_to(here / "precious")

    run("many", "--yes")

    assert Path("precious/file").read_text() == "mine"


def test_a_removal_that_is_cut_off_leaves_no_run_and_the_next_one_clears_it(here, monkeypatch):
    def stop(path):
        (path / "summary.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stop)
        run(f"many/{NONE}/seed=0", "--yes")

    (trash,) = [path for path in (Path("runs/many") / NONE).iterdir() if path.name[0] == "."]
    assert (trash / "status.json").exists()
    assert len(read_experiments(["many"], Path("runs"))) == 5
    run("many", "--yes")
    assert not Path("runs/many").exists()
    assert list_experiments(Path("runs")) == []

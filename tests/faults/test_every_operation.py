"""Rows 1, 6 and 16 of the fault matrix: kills, errors and stops at each file operation of a run."""

import signal
from pathlib import Path

import pytest
from file_operations import SCENES, Disk, Scenes, read_files
from forks import wait_until
from run_results import read_points, read_results, read_steps

from bnexp.locks import is_held
from bnexp.runs import RunDir
from bnexp.runs.inspection import inspect

RUN = Path("short/base/seed=0")
ERRORS = {
    "ENOSPC": "No space left on device",
    "EIO": "Input/output error",
    "EINTR": "Interrupted system call",
}
CAN_FAIL = ("create", "open", "read", "write", "fsync", "rename")


@pytest.fixture(scope="module")
def scenes(forks, tmp_path_factory):
    return Scenes(forks, tmp_path_factory.mktemp("operations"))


@pytest.fixture(scope="module")
def whole(scenes):
    """What the run leaves if nothing disturbs it: its results, and the names of its files."""
    scenes.trace("new")
    run = scenes.runs / RUN
    return read_results(run), list_files(run)


def list_files(run):
    """Returns the names of a run's files, without the note of a process that is gone."""
    return sorted(path.name.split(".tfevents")[0] for path in run.iterdir()
                  if path.name != ".lock.holder")  # fmt: skip


def check_whole(scenes, whole, have_events=True):
    """Makes sure that a run has ended as if nothing had happened, and has left nothing behind."""
    results, files = whole
    run = scenes.runs / RUN
    found = read_results(run)
    for part, value in results.items():
        assert found[part] == value, part
    assert inspect(run) == []
    assert not is_held(run / ".lock")
    if have_events:
        assert list_files(run) == files
        assert read_points(run) == read_steps(run)


def continue_to_the_end(scenes, whole):
    again = scenes.run_again()
    assert again.code == 0, again.said
    check_whole(scenes, whole)


def sample(scenes, key, is_chosen):
    """Returns the first operation of each kind in all scenes together, each with its scene."""
    found = {}
    for scene in SCENES:
        for one in filter(is_chosen, scenes.trace(scene)):
            found.setdefault(key(one), (scene, one))
    return [*found.values()]


def describe_change(one):
    """Returns what makes a kill at an operation another kind of kill: what it leaves undone."""
    kind, name, to, site = one.place
    if kind == "rename":
        return kind, to
    if kind == "write":
        return kind, "a temporary file" if name.endswith(".tmp") else name
    return kind, site if kind == "unlink" else ""


def check_nothing_is_called_damaged(scenes):
    """Makes sure that a run which was only cut off is not taken for one that somebody altered."""
    run = scenes.runs / RUN
    found = inspect(run) if RunDir(run).is_begun else []
    assert [one.text for one in found if not one.is_repairable] == []


def check_kill(scenes, whole, scene, at, action="kill"):
    scenes.set(scene)
    killed = scenes.run(scene, at, action)
    assert killed.code == -signal.SIGKILL, killed.said
    check_nothing_is_called_damaged(scenes)
    continue_to_the_end(scenes, whole)


def test_row_01_a_run_killed_at_each_kind_of_file_operation_ends_with_the_same_bits(scenes, whole):
    chosen = sample(scenes, describe_change, lambda one: one.changes)
    assert len(chosen) >= 20
    for scene, one in chosen:
        check_kill(scenes, whole, scene, one.number, "half" if one.kind == "write" else "kill")


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_row_01_a_run_killed_at_each_file_operation_ends_with_the_same_bits(scene, scenes, whole):
    for one in scenes.trace(scene):
        check_kill(scenes, whole, scene, one.number)
        if one.kind == "write" and len(one.data) > 1:
            check_kill(scenes, whole, scene, one.number, "half")


def is_tolerated(one, error):
    """Returns whether a run goes on as documented if an operation fails."""
    name = Path(one.path).name
    # What people or TensorBoard read; a first look at the lock; a folder's own sync, that of the
    # runs folder included, which not all systems can do.
    extra = ("log.txt", ".lock", ".lock.holder", RUN.name, Path().name)
    is_extra = name.startswith("events") or name in extra
    # Python repeats a write that a signal interrupts; a file that cannot be read is damaged.
    return is_extra or one.kind == "read" or (error, one.kind) == ("EINTR", "write")


def check_fault(scenes, whole, scene, one, error):
    scenes.set(scene)
    before = {*scenes.runs.rglob(".*.tmp")}
    done = scenes.run(scene, one.number, error)
    assert done.code in (0, 1, 2), done.said
    assert "Traceback" not in done.said
    assert "unexpected" not in done.said
    assert {*scenes.runs.rglob(".*.tmp")} <= before
    if done.code:
        (line,) = [line for line in done.said.splitlines() if ERRORS[error] in line]
        assert any(f"runs/{folder}" in line for folder in (RUN, *RUN.parents)), line
    else:
        assert is_tolerated(scenes.find_hit(), error), done.said
    again = scenes.run_again()
    assert again.code == 0, again.said
    check_whole(scenes, whole, have_events="TensorBoard events cannot" not in done.said)


def test_row_06_an_error_in_each_kind_of_file_operation_is_named_and_costs_nothing(scenes, whole):
    chosen = sample(scenes, lambda one: one.place, lambda one: one.kind in CAN_FAIL)
    assert len(chosen) >= 70
    # Each file fails in some way, each way in some file.
    for number, (scene, one) in enumerate(chosen[::5]):
        check_fault(scenes, whole, scene, one, [*ERRORS][number % 3])


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("scene", SCENES)
def test_row_06_an_error_in_each_file_operation_is_named_and_costs_nothing(
    scene, error, scenes, whole
):
    for one in scenes.trace(scene):
        if one.kind in CAN_FAIL:
            check_fault(scenes, whole, scene, one, error)


def is_stopped(process):
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def check_stop(scenes, whole, scene, at, is_killed):
    scenes.set(scene)
    first = scenes.start(scene, at, "stop")
    wait_until(lambda: is_stopped(first))
    lock = scenes.runs / RUN / ".lock"
    was_held, before = is_held(lock), read_files(scenes.runs)
    second = scenes.run_again()
    if was_held:
        is_done = "all done already" in second.said
        assert is_done or (second.code, "is being trained by" in second.said) == (2, True), (
            second.said
        )
        assert read_files(scenes.runs) == before
    else:
        assert second.code == 0, second.said
        check_whole(scenes, whole)
    first.send_signal(signal.SIGKILL if is_killed else signal.SIGCONT)
    assert first.wait() == (-signal.SIGKILL if is_killed else 0), first.said
    if not is_killed:
        check_whole(scenes, whole)
    third = scenes.run_again()
    assert third.code == 0, third.said
    assert "waiting for" not in third.said
    assert is_killed or "all done already" in third.said
    check_whole(scenes, whole)


def test_row_16_a_run_stopped_at_each_kind_of_file_operation_is_refused_to_others(scenes, whole):
    for number, (scene, one) in enumerate(sample(scenes, lambda one: one.kind, lambda _: True)):
        check_stop(scenes, whole, scene, one.number, is_killed=number % 2 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "continued"])
@pytest.mark.parametrize("scene", SCENES)
def test_row_16_a_run_stopped_at_each_file_operation_is_refused_to_others(
    scene, is_killed, scenes, whole
):
    for one in scenes.trace(scene):
        check_stop(scenes, whole, scene, one.number, is_killed)


def find_crashes(scenes, scene):
    """Returns the different states in which a machine that stops during the command leaves it."""
    scenes.set(scene)
    disk, found = Disk(read_files(scenes.runs)), {}
    for one in scenes.trace(scene):
        disk.do(one)
        for files in disk.crashes():
            # Nothing depends on what the lock and the log hold.
            extra = ("log.txt", ".lock", ".lock.holder")
            key = {path: files[path] for path in files if Path(path).name not in extra}
            found.setdefault(tuple(sorted(key.items())), files)
    return [*found.values()]


def check_crash(scenes, whole, files):
    scenes.put(files)
    continue_to_the_end(scenes, whole)


def test_row_19_what_a_machine_that_stops_has_not_synced_is_done_again(scenes, whole):
    for scene in SCENES:
        found = find_crashes(scenes, scene)
        assert len(found) >= 50
        for files in found[:: len(found) // 5]:
            check_crash(scenes, whole, files)


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_row_19_wherever_a_machine_stops_what_was_not_synced_is_done_again(scene, scenes, whole):
    for files in find_crashes(scenes, scene):
        check_crash(scenes, whole, files)

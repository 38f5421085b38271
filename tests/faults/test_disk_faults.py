"""Row 6 of the fault matrix: a disk that is full, a runs folder that cannot be written."""

import sys

import pytest
from run_results import read_results

from bnexp.runs import read_run
from bnexp.runs.reading import read_status

CONFIG = """\
name: disk
data: {name: shapes, train_size: 100, val_size: 0, test_size: 40, batch_size: 20}
model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 4}]}
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 400, device: cpu, threads: 1, log_every: 1, checkpoint_every: null}
"""
LIMIT_FILES = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""
TRAIN = ("train", "c.yaml", "--runs-dir", "disk/runs")
ENTER = """
import ctypes, os, subprocess
user, group = os.getuid(), os.getgid()
new_user, new_mounts = 0x10000000, 0x00020000
if ctypes.CDLL(None, use_errno=True).unshare(new_user | new_mounts):
    os._exit(99)
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
if subprocess.call(["sh", "-ec", MOUNT]):
    os._exit(99)
if child := os.fork():
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    subprocess.check_call(["sh", "-ec", LOOK])
    os._exit(code)
"""
"""Code that a process runs first: it mounts what it alone sees, and looks at it in the end."""


FILL = """
import errno, sys
from pathlib import Path
from bnexp.launch.run import one_run
from bnexp.runs import RunDir

class Run:
    folder = RunDir(Path("disk/seed=0"), {"fingerprint": "f"})
    class spec:
        name = "base seed=0"

Run.folder.create("", {})
try:
    with (Run.folder.path / "events.out.tfevents.1.host.2").open("wb", buffering=0) as events:
        while True:
            events.write(bytes(4096))
except OSError as error:
    full = error
try:
    Run.folder.set_state("failed")
except OSError as error:
    print(errno.errorcode[error.errno])
one_run._report_failure(Run, print, full)
sys.exit()
"""


def run_with_mount(forks, folder, mount, look="", *words, before=""):
    """Trains where `mount` may mount what this test alone sees; skips where nobody may."""
    before = f"MOUNT, LOOK = {mount!r}, {look!r}\n{ENTER}\n{before}"
    done = forks.run(*TRAIN, *words, cwd=folder, before=before)
    if done.code == 99:
        pytest.skip("mounting needs namespaces of one's own (unshare -rm)")
    return done


def describe_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of a file")
def test_row_06_files_that_cannot_grow_fail_their_runs_with_the_path_and_no_other(forks, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    few = ("-s", "train.epochs=2", "-s", "name=old")
    assert forks.run("train", "c.yaml", *few, cwd=tmp_path).code == 0
    old = tmp_path / "runs/old/base/seed=0"
    before = describe_files(old)
    limit = LIMIT_FILES.format(size=9000)

    done = forks.run("train", "c.yaml", "-s", "sweep.seeds=2", cwd=tmp_path, before=limit)

    assert done.code == 1, done.said
    assert "Traceback" not in done.said
    assert "unexpected" not in done.said
    for seed in range(2):
        run = f"runs/disk/base/seed={seed}"
        assert f"failed: base seed={seed}: File too large: {run}" in done.said
        assert read_run(tmp_path / run).state == "failed"
    assert "2 failed" in done.said
    assert describe_files(old) == before
    assert read_run(old).state == "finished"


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of a file")
def test_row_06_events_that_cannot_grow_are_a_warning_and_the_run_ends_with_the_same_bits(
    forks, tmp_path
):
    (tmp_path / "c.yaml").write_text(CONFIG)
    settings = ("train.epochs=2", "train.log_every=100", "evaluate.mistakes=0")
    few = ("train", "c.yaml", *(word for setting in settings for word in ("-s", setting)))
    run = tmp_path / "runs/disk/base/seed=0"
    limited = tmp_path / "limited/disk/base/seed=0"
    assert forks.run(*few, cwd=tmp_path).code == 0
    sizes = {path.name.split(".")[0]: path.stat().st_size for path in run.iterdir()}
    events = sizes.pop("events")
    assert events > 2 * max(sizes.values())  # the first look's pictures are most of it
    limit = LIMIT_FILES.format(size=events // 2)

    done = forks.run(*few, "--runs-dir", "limited", cwd=tmp_path, before=limit)

    assert done.code == 0, done.said
    warning = "warning: TensorBoard events cannot be written to limited/disk/base/seed=0 ("
    assert done.said.count(warning) == 1
    assert f"{warning}[Errno 27] File too large); the run continues without them" in done.said
    assert read_run(limited).state == "finished"
    assert read_results(limited) == read_results(run)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_row_06_a_full_disk_leaves_the_failure_in_the_status(forks, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "disk").mkdir()

    done = run_with_mount(
        forks, tmp_path, "mount -t tmpfs -o size=48k tmpfs disk", "cp -r disk/runs left"
    )

    assert done.code == 1, done.said
    assert "Traceback" not in done.said
    assert "failed: base seed=0: No space left on device: disk/runs/disk/base/seed=0" in done.said
    run = tmp_path / "left/disk/base/seed=0"
    assert read_run(run).state == "failed"
    assert "No space left on device" in read_status(run)["reason"]


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_row_06_on_a_disk_without_a_page_left_the_events_make_room_for_the_status(forks, tmp_path):
    (tmp_path / "disk").mkdir()

    done = run_with_mount(
        forks,
        tmp_path,
        "mount -t tmpfs -o size=64k tmpfs disk",
        "cp -r disk/seed=0 seed=0",
        before=FILL,
    )

    assert done.code == 0, done.said
    assert done.said.startswith("ENOSPC\n")
    run = tmp_path / "seed=0"
    assert read_run(run).state == "failed"
    assert "No space left on device" in read_status(run)["reason"]
    assert "Errno 28" in (run / "log.txt").read_text()
    assert not list(run.glob("events*"))


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a folder")
def test_row_06_a_read_only_runs_folder_is_named_and_nothing_in_it_changes(forks, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "disk").mkdir()
    few = ("-s", "train.epochs=2")
    first = forks.run("train", "c.yaml", "--runs-dir", "disk/runs", *few, cwd=tmp_path)
    assert first.code == 0, first.said
    old = tmp_path / "disk/runs/disk/base/seed=0"
    before = describe_files(old)

    mount = "mount --bind disk disk; mount -o remount,ro,bind disk"
    done = run_with_mount(forks, tmp_path, mount, "", *few, "-s", "sweep.seeds=2")

    assert done.code == 2, done.said
    assert "disk/runs/disk/base cannot be written; choose another --runs-dir\n" in done.said
    assert describe_files(old) == before
    assert read_run(old).state == "finished"

"""Whatever stands in place of a run's file, no command crashes, hangs or believes it silently."""

import contextlib
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from interrupted_runs import plan, train
from made_up_runs import add_predictions, make_predictions, make_run, seal
from memory_limit import limit_memory
from run_results import read_results
from typer.testing import CliRunner

from bnexp.cli.app import build_app
from bnexp.errors import BnexpError
from bnexp.runs import RunDir
from bnexp.runs.streams.tensorboard_events import EVENTS

RUN = "study/norm=batch/seed=1"
FILES = (
    "config.yaml", "environment.json", "status.json", "summary.json", "manifest.json",
    "metrics.jsonl", "checkpoint.pt", "checkpoint.json", "checkpoint.pt.sha256", "log.txt",
    "predictions.npz",
    f"{EVENTS}1.made-up", ".lock", ".lock.holder",
)  # fmt: skip
COMMANDS = (
    ("ls",), ("ls", "study"), ("show", RUN), ("compare", "study"), ("check", "study"),
)  # fmt: skip
MOST_SECONDS = 5
MOST_BYTES = 500 * 2**20


def put_altered(path):
    """Changes a digit or a letter, so that the file stays plausible."""
    content = bytearray(path.read_bytes())
    places = [place for place, byte in enumerate(content) if byte in b"123456789"]
    if places:
        digit = content[places[-1]] - ord("0")
        content[places[-1]] = ord("1") + digit % 9
    path.write_bytes(bytes(content))


def put(kind, path):
    if kind == "altered":
        put_altered(path)
        return
    path.unlink()
    if kind == "junk":
        path.write_bytes(bytes(range(256)) * 16)
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        (path / "inside").mkdir(parents=True)
    elif kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "100 MB":
        with path.open("wb") as file:
            file.truncate(100 * 2**20)
    elif kind == "deep nesting":
        path.write_bytes(b'{"a":' * 200_000)


KINDS = (
    "nothing", "FIFO", "folder", "100 MB", "altered",
    *(pytest.param(kind, marks=pytest.mark.slow)
      for kind in ("junk", "device", "link", "deep nesting")),
)  # fmt: skip


def make_study(folder):
    predictions = make_predictions()
    for norm in ("none", "batch"):
        for seed in range(3):
            path = folder / f"study/norm={norm}/seed={seed}"
            make_run(path, {"model.norm.name": norm}, index=40 * (norm == "batch") + seed)
            rows = (json.dumps({"step": step, "epoch": 1, "elapsed_seconds": 1.5, "test/loss": 0.5})
                    for step in (1, 2))  # fmt: skip
            (path / "metrics.jsonl").write_text("".join(f"{row}\n" for row in rows))
            (path / "config.yaml").write_text("name: study\n")
            (path / "log.txt").write_text("1 line\n")
            (path / ".lock").write_text("")
            (path / ".lock.holder").write_text("1 elsewhere")
            RunDir(path).checkpoints.save(b"tensors 1", b'{"progress": {"step": 1}}')
            add_predictions(path, predictions)


@contextlib.contextmanager
def alarm(seconds):
    def end(*_):
        raise TimeoutError("the command hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(command):
    """Returns exit code, standard output and all that was said, as the terminal shows it."""
    with alarm(MOST_SECONDS), limit_memory(MOST_BYTES):
        result = CliRunner().invoke(build_app(), [*command, *OPTIONS.get(command[0], ())])
    error = result.exception
    assert error is None or isinstance(error, SystemExit | BnexpError), repr(error)
    out = CHANGING.sub("", result.stdout).split()
    return result.exit_code, out, f"{result.output}{error}"


CHANGING = re.compile(r'"(heartbeat|seconds_since_sign_of_life)".*|"files": \{[^}]*\}')
"""What `show` says of files themselves, and of the time."""

OPTIONS = {"compare": ("--format", "json"), "ls": ("--json",), "show": ("--json",)}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """What the commands say of runs as they ended."""
    folder = tmp_path_factory.mktemp("sound")
    make_study(folder / "runs")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for command in COMMANDS:  # imports, which have no limits
            CliRunner().invoke(build_app(), command)
        said = {command: run(command) for command in COMMANDS}
    finally:
        os.chdir(before)
    return folder / "runs", said


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_crashes_hangs_or_believes_it_silently(kind, name, sound, tmp_path, monkeypatch):
    runs, said = sound
    shutil.copytree(runs, tmp_path / "runs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    put(kind, tmp_path / "runs" / RUN / name)

    for command in COMMANDS:
        _, out, everything = run(command)

        _, sound_out, sound_text = said[command]
        words = (f"{RUN}/", "norm=batch, seed 1", "1 failed", '"failed": 1', '"interrupted": 1')
        is_named = any(everything.count(word) > sound_text.count(word) for word in words)
        assert out == sound_out or is_named, (command, out)


@pytest.mark.parametrize("key", ["elapsed_seconds", "images_per_second", "final", "history"])
def test_an_absurd_figure_that_was_sealed_again_is_named(key, sound, tmp_path, monkeypatch):
    shutil.copytree(sound[0], tmp_path / "runs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / RUN
    summary = json.loads((path / "summary.json").read_text())
    if key == "final":
        summary["final"]["test/loss"] = summary["history"]["test/loss"][-1] = -1e308
    elif key == "history":
        summary["history"]["test/loss"][0] = 1e308
    else:
        summary[key] = 1e308
    (path / "summary.json").write_text(json.dumps(summary))
    seal(path)

    for command in COMMANDS:
        _, _, everything = run(command)
        sentence = f"{RUN}/summary.json is not a summary: {key}: Input should be"
        assert sentence in everything or (command[0] == "ls" and '"failed": 1' in everything)


@pytest.mark.parametrize("created", ["9999-12-31T23:59:59+00:00", "0001-01-01", "2025-01-01"])
def test_an_absurd_date_that_was_sealed_again_ends_none(created, sound, tmp_path, monkeypatch):
    shutil.copytree(sound[0], tmp_path / "runs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / RUN
    environment = json.loads((path / "environment.json").read_text())
    (path / "environment.json").write_text(json.dumps({**environment, "created": created}))
    seal(path)

    for command in COMMANDS:
        assert run(command)[0] == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that has ended, and what it left."""
    folder = tmp_path_factory.mktemp("trained")
    run = plan(folder)
    train(run)
    return folder, run.folder.path.relative_to(folder), read_results(run.folder.path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_train_leaves_the_same_result_or_says_what_is_wrong(kind, name, trained, forks, tmp_path):
    folder, path, results = trained
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    run = tmp_path / "copy" / path
    found = next(run.glob(f"{EVENTS}*")) if name.startswith(EVENTS) else run / name
    found.touch()  # nobody holds the lock any more
    put(kind, found)

    done = forks.start("train", "c.yaml", cwd=tmp_path / "copy")
    done.wait(seconds=20)

    assert "unexpected" not in done.said
    assert "Traceback" not in done.said
    is_named = (str(path) in done.said and "warning" in done.said) or done.code == 2
    is_same = False
    read = ("summary.json", "metrics.jsonl", "checkpoint.pt", "checkpoint.json", "predictions.npz")
    if all((run / one).is_file() for one in read):  # what is no file might never end
        with contextlib.suppress(Exception):
            is_same = read_results(run) == results
    assert is_same or is_named, done.said

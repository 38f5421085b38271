"""Whatever stands in place of a run's file, no command crashes, hangs or believes it silently."""

import contextlib
import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from interrupted_runs import interrupt, plan, train
from made_up_runs import add_predictions, make_predictions, make_run, seal
from memory_limit import limit_memory
from PIL import Image
from run_results import read_results
from typer.testing import CliRunner

from bnexp.cli.app import build_app
from bnexp.errors import BnexpError
from bnexp.files import digest
from bnexp.runs import RunDir
from bnexp.runs.claim_record import claim_digest, note_claims, note_result
from bnexp.runs.run_dir import TUNING
from bnexp.runs.seal import MODEL, TRACE
from bnexp.runs.streams.tensorboard_events import EVENTS
from bnexp.runs.tuning_record import write_tunings

RUN = "study/norm=batch/seed=1"
FILES = (
    "config.yaml", "environment.json", "status.json", "summary.json", "manifest.json",
    "metrics.jsonl", "checkpoint.pt", "checkpoint.json", "checkpoint.pt.sha256", "log.txt",
    "predictions.npz",
    f"{EVENTS}1.made-up", ".lock", ".lock.holder", "checkpoint.previous.pt",
    "checkpoint.previous.json", "checkpoint.previous.pt.sha256", MODEL, TRACE,
    f"../../{TUNING}/tuning.json", "../../../claims.jsonl",
)  # fmt: skip
LEFT_AT_THE_END = ("summary.json", "manifest.json", "predictions.npz", TRACE)
FILES_OF_RUN = [name for name in FILES if not name.startswith(f"../../{TUNING}")]
COMMANDS = (
    ("ls",), ("ls", "study"), ("show", RUN), ("compare", "study"), ("check", "study"),
    ("export", "study"), ("export", "study", "--per", "steps"), ("tb", "study"),
)  # fmt: skip
DEAR_COMMANDS = (
    ("compare", "study", "--html", "page.html"), ("compare", "study", "--plots", "plots"),
    ("check", "study", "--repair"), ("rm", RUN, "--yes"),
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
    "FIFO", "folder", "altered",
    *(pytest.param(kind, marks=pytest.mark.slow)
      for kind in ("nothing", "100 MB", "junk", "device", "link", "deep nesting")),
)  # fmt: skip


CLAIM = {
    "treatment": {"model.norm.name": "batch"},
    "control": {"model.norm.name": "none"},
    "metric": "test/accuracy",
    "direction": "higher",
    "margin": 0.01,
}
TUNED = {
    "over": {"optim.learning_rate": [0.1, 0.2]},
    "by": "val/accuracy",
    "seeds": [100],
    "chosen": {"optim.learning_rate": 0.1},
    "at_edge": ["optim.learning_rate"],
    "scores": [
        {"values": {"optim.learning_rate": rate}, "mean": 0.6 - rate, "n": 1, "diverged": 0}
        for rate in (0.1, 0.2)
    ],
}
TUNED_LATER = {**TUNED, "over": {"optim.learning_rate": [0.1, 0.2, 0.3]}, "at_edge": []}


def make_study(folder, is_finished=True):
    """Makes six runs with every file that a run can leave; the first may be unfinished."""
    predictions = make_predictions()
    for norm in ("none", "batch"):
        for seed in range(3):
            path = folder / f"study/norm={norm}/seed={seed}"
            settings = {"model.norm.name": norm, "optim.learning_rate": 0.1}
            make_run(path, settings, index=40 * (norm == "batch") + seed)
            environment = json.loads((path / "environment.json").read_text())
            environment["tuning"], environment["config"]["claim"] = TUNED, [CLAIM]
            (path / "environment.json").write_text(json.dumps(environment))
            rows = (json.dumps({"step": step, "epoch": 1, "elapsed_seconds": 1.5, "test/loss": 0.5})
                    for step in (1, 2))  # fmt: skip
            (path / "metrics.jsonl").write_text("".join(f"{row}\n" for row in rows))
            (path / "config.yaml").write_text("name: study\n")
            (path / "log.txt").write_text("1 line\n")
            (path / MODEL).write_text("1 / 0\n")
            (path / TRACE).write_bytes(b"a trace 1")
            (path / ".lock").write_text("")
            (path / ".lock.holder").write_text("1 elsewhere")
            rows = (path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
            for step in (1, 2):
                saved = {"progress": {"step": step, "rows": step}}
                saved["rows_digest"] = digest(b"".join(rows[:step]))
                RunDir(path).checkpoints.save(b"tensors 1", json.dumps(saved).encode())
            add_predictions(path, predictions)
    tuning = folder / "study" / TUNING
    tuning.mkdir()
    write_tunings(tuning, dict.fromkeys(("norm=none", "norm=batch"), TUNED_LATER))
    note_claims(folder, [claim_digest(CLAIM, [0, 1, 2], [])], ["f" * 64])
    note_result(folder, "f" * 64, 1.5)
    if not is_finished:
        path = RunDir(folder / RUN)
        for name in LEFT_AT_THE_END:
            (path.path / name).unlink()
        status = json.loads(path.status.read_text())
        path.status.write_text(json.dumps({**status, "state": "interrupted"}))


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
    if "--html" in command and Path(command[-1]).exists():
        page = Path(command[-1]).read_text(encoding="utf-8")
        out += TIME_ON_PAGE.sub("", page).split()
        return result.exit_code, out, f"{result.output}{error}{page}"
    return result.exit_code, out, f"{result.output}{error}"


TIME_ON_PAGE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?")

CHANGING = re.compile(r'"(heartbeat|seconds_since_sign_of_life)".*|"files": \{[^}]*\}')
"""What `show` says of files themselves, and of the time."""

OPTIONS = {"compare": ("--format", "json"), "ls": ("--json",), "show": ("--json",)}


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """TensorBoard itself, which reads nothing but events and links, is left out."""
    found = lambda shown, *_: print(*shown.find_links()) or 0  # noqa: E731, T201
    monkeypatch.setattr("bnexp.reports.tensorboard.serve.serve", found)


@pytest.fixture
def listen(tmp_path_factory, no_server):
    """Returns what the commands say of runs as they ended, and the folder of these runs."""

    def listen(commands, is_finished=True):
        key = (commands, is_finished)
        if key not in HEARD:
            folder = tmp_path_factory.mktemp("sound")
            make_study(folder / "runs", is_finished)
            shutil.copytree(folder / "runs", folder / "before", symlinks=True)
            with contextlib.chdir(folder):
                for command in commands:  # imports, which have no limits
                    CliRunner().invoke(build_app(), command)
                shutil.rmtree("runs")
                shutil.copytree("before", "runs", symlinks=True)
                HEARD[key] = folder / "before", {command: run(command) for command in commands}
        return HEARD[key]

    return listen


HEARD = {}


def check(kind, name, commands, heard, folder, is_finished=True):
    """Checks that each command says what it says of whole runs, or names what is not."""
    runs, said = heard
    shutil.copytree(runs, folder / "runs", symlinks=True)
    path = folder / "runs" / RUN / name
    if not path.exists():
        assert not is_finished
        assert name in LEFT_AT_THE_END
        pytest.skip("an unfinished run has no such file")
    put(kind, path)

    with contextlib.chdir(folder):
        for command in commands:
            _, out, everything = run(command)

            _, sound_out, sound_text = said[command]
            words = (
                f"{RUN}/", "norm=batch, seed 1", "1 failed", '"failed": 1', '"interrupted": 1',
                Path(name).name,
            )  # fmt: skip
            is_named = any(everything.count(word) > sound_text.count(word) for word in words)
            assert out == sound_out or is_named, (command, out)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_crashes_hangs_or_believes_it_silently(kind, name, listen, tmp_path):
    check(kind, name, COMMANDS, listen(COMMANDS), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_page_figure_or_repair_does_either(kind, name, listen, tmp_path):
    check(kind, name, DEAR_COMMANDS, listen(DEAR_COMMANDS), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_nor_does_a_command_if_the_run_is_unfinished(kind, name, listen, tmp_path):
    commands = (*COMMANDS, *DEAR_COMMANDS)
    check(kind, name, commands, listen(commands, is_finished=False), tmp_path, is_finished=False)


@pytest.mark.parametrize("key", ["elapsed_seconds", "images_per_second", "final", "history"])
def test_an_absurd_figure_that_was_sealed_again_is_named(key, listen, tmp_path, monkeypatch):
    shutil.copytree(listen(COMMANDS)[0], tmp_path / "runs", symlinks=True)
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
        is_counted = command[0] == "ls" and '"failed": 1' in everything
        assert sentence in everything or is_counted or command[0] == "tb"


@pytest.mark.parametrize("created", ["9999-12-31T23:59:59+00:00", "0001-01-01", "2025-01-01"])
def test_an_absurd_date_that_was_sealed_again_ends_none(created, listen, tmp_path, monkeypatch):
    shutil.copytree(listen(COMMANDS)[0], tmp_path / "runs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / RUN
    environment = json.loads((path / "environment.json").read_text())
    (path / "environment.json").write_text(json.dumps({**environment, "created": created}))
    seal(path)

    for command in COMMANDS:
        assert run(command)[0] == 0


def drop(folder, steps):
    """Trains a run, to the end or for so many steps, and returns it as a folder below another."""
    run = interrupt(folder, steps) if steps else plan(folder)
    if not steps:
        assert train(run)[0] == "finished"
    return run.folder.path.relative_to(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that has ended, one that was interrupted, where they are, and what the first left."""
    folders = {steps: tmp_path_factory.mktemp("trained") for steps in (0, 8)}
    (path,) = {drop(folder, steps) for steps, folder in folders.items()}
    make_picture(folders[0] / "picture.png")
    return folders, path, read_results(folders[0] / path)


def make_picture(path):
    Image.fromarray(np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype="uint8")).save(
        path
    )


def put_into(kind, name, folder, path):
    """Puts something in place of a file of the run in a copy of a folder."""
    run = folder / path
    found = next(run.glob(f"{EVENTS}*")) if name.startswith(EVENTS) else run / name
    found.touch()  # nobody holds the lock any more
    put(kind, found)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 8])
@pytest.mark.parametrize("option", ["", "--force"])
@pytest.mark.parametrize("name", FILES_OF_RUN)
@pytest.mark.parametrize("kind", KINDS)
def test_train_leaves_the_same_result_or_says_what_is_wrong(
    kind, name, option, steps, trained, forks, tmp_path
):
    folders, path, results = trained
    shutil.copytree(folders[steps], tmp_path / "copy", symlinks=True)
    run = put_into(kind, name, tmp_path / "copy", path)

    done = forks.start("train", "c.yaml", *option.split(), cwd=tmp_path / "copy")
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


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES_OF_RUN)
@pytest.mark.parametrize("kind", KINDS)
def test_no_network_is_used_if_it_is_not_the_one_that_was_trained(kind, name, trained, tmp_path):
    folders, path, _ = trained
    shutil.copytree(folders[0], tmp_path / "copy", symlinks=True)
    run_name = path.relative_to("runs").as_posix()
    commands = (("evaluate", run_name), ("predict", run_name, "picture.png"), ("doctor", run_name))
    with contextlib.chdir(folders[0]):
        for command in commands:  # imports, which have no limits
            CliRunner().invoke(build_app(), command)
        said = {command: run(command) for command in commands}
    assert {code for code, *_ in said.values()} == {0}
    put_into(kind, name, tmp_path / "copy", path)

    with contextlib.chdir(tmp_path / "copy"):
        for command in commands:
            _, out, everything = run(command)
            _, sound_out, sound_text = said[command]
            is_named = everything.count(f"{path}/") > sound_text.count(f"{path}/")
            assert out == sound_out or is_named, (command, everything)

"""From a YAML file to a verdict through the real commands, on shapes."""

import hashlib
import json
import re
import shutil

import pytest
import torch
from image_folders import save

from bnexp.analysis.metrics import count_images
from bnexp.runs import RunDir, read_run

RUN_FILES = {
    "config.yaml",
    "environment.json",
    "status.json",
    "metrics.jsonl",
    ".lock",
    "checkpoint.json",
    "checkpoint.pt",
    "checkpoint.pt.sha256",
    "manifest.json",
    "predictions.npz",
    "summary.json",
    "log.txt",
}


def copy_of(sweep, tmp_path):
    shutil.copytree(sweep, tmp_path / "copy")
    return tmp_path / "copy"


def first_run(folder):
    return folder / "runs" / "sweep" / "norm=none" / "seed=0"


def test_a_sweep_makes_one_folder_a_cell_and_seed(sweep):
    found = {str(path.parent.relative_to(sweep / "runs")) for path in sweep.rglob("summary.json")}

    assert found == {
        f"sweep/{cell}/seed={seed}"
        for cell in ("norm=none", "norm=batch", "norm=batch(eps=0.001)")
        for seed in range(3)
    }


def test_a_run_has_every_file_and_no_temporary_one(sweep):
    names = {path.name for path in first_run(sweep).iterdir()}

    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert names - events == RUN_FILES


def test_the_summary_has_what_the_design_names(sweep):
    summary = json.loads((first_run(sweep) / "summary.json").read_text())

    assert summary["status"] == "finished"
    assert (summary["epochs"], summary["steps"]) == (2, 20)
    assert set(summary) >= {"elapsed_seconds", "images_per_second", "peak_memory_bytes"}
    assert summary["parameters"] == (27 * 8 + 8) + (72 * 8 + 8) + (8 + 1) * 10
    assert {len(values) for values in summary["history"].values()} == {2}
    assert summary["final"]["test/accuracy"] == summary["history"]["test/accuracy"][-1]
    assert 0 <= summary["final"]["train_eval/accuracy"] <= 1
    assert summary["best"]["epoch"] in (1, 2)


def test_metrics_rows_rise_and_end_where_the_summary_ends(sweep):
    lines = (first_run(sweep) / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    summary = json.loads((first_run(sweep) / "summary.json").read_text())

    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    assert all({"step", "epoch", "elapsed_seconds"} < set(row) for row in rows)
    tests = [row["test/accuracy"] for row in rows if "test/accuracy" in row]
    assert tests == summary["history"]["test/accuracy"]
    assert [row["step"] for row in rows if "train/loss" in row] == [5, 10, 15, 20]


def test_the_checkpoint_is_tensors_and_plain_types_with_its_hash_beside_it(sweep):
    path = first_run(sweep) / "checkpoint.pt"

    content = torch.load(path, weights_only=True)
    progress = json.loads(path.with_suffix(".json").read_text())["progress"]
    assert (progress["step"], progress["epoch"]) == (20, 2)
    assert content["model"]["layers.0.conv.weight"].shape == (8, 3, 3, 3)
    digests = (first_run(sweep) / "checkpoint.pt.sha256").read_text().splitlines()
    assert sorted(digests) == sorted(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"
        for file in (path, path.with_suffix(".json"))
    )


def test_the_environment_names_versions_code_machine_and_data(sweep):
    environment = json.loads((first_run(sweep) / "environment.json").read_text())

    assert environment["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert environment["device"]["type"] == "cpu"
    assert environment["threads"] == 1
    assert re.fullmatch("[0-9a-f]{64}", environment["dataset"]["fingerprint"])
    assert environment["command"][1:] == ["train", "sweep.yaml"]


def test_a_resolved_config_trained_again_gives_the_same_figures(sweep, bnexp, tmp_path):
    config = first_run(sweep) / "config.yaml"
    done = bnexp("train", config, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    again = read_run(tmp_path / "runs" / "sweep-norm-none-seed-0" / "base" / "seed=0")
    original = read_run(first_run(sweep))
    assert again.summary.final["test/loss"] == original.summary.final["test/loss"]
    histories = [
        {tag: values for tag, values in run.summary.history.items() if not tag.startswith("perf/")}
        for run in (again, original)
    ]
    assert histories[0] == histories[1]
    weights = [
        torch.load(run.path / "checkpoint.pt", weights_only=True)["model"]
        for run in (again, original)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_the_same_command_again_trains_nothing(sweep, bnexp, tmp_path):
    folder = copy_of(sweep, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}

    done = bnexp("train", "sweep.yaml", cwd=folder)

    assert done.returncode == 0
    assert "sweep: 9 runs, all done already" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_a_cell_that_is_added_changes_no_other(sweep, bnexp, tmp_path):
    folder = copy_of(sweep, tmp_path)
    before = first_run(folder).joinpath("summary.json").read_bytes()

    done = bnexp("train", "sweep.yaml", "-s", "sweep.grid={model.norm: [{name: batch, eps: 0.1}]}",
                 "-s", "sweep.seeds=[7]", cwd=folder)  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (folder / "runs/sweep/norm=batch(eps=0.1)/seed=7/summary.json").exists()
    assert first_run(folder).joinpath("summary.json").read_bytes() == before


def test_another_config_in_the_same_folder_is_refused_with_the_difference(sweep, bnexp, tmp_path):
    folder = copy_of(sweep, tmp_path)

    done = bnexp("train", "sweep.yaml", "-s", "train.epochs=3", cwd=folder)

    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "error: runs/sweep/norm=none/seed=0 holds a run with another config: train.epochs is 2 "
        "there and 3 here. It cannot go on to 3 epochs, since the schedule 'cosine' would have "
        "given it other learning rates. Train from the start under another name (-s name=…), "
        "delete only this run (bnexp rm 'runs/sweep/norm=none/seed=0'), or start everything over "
        "with --force"
    ]
    assert read_run(first_run(folder)).config["train.epochs"] == 2


def test_force_starts_over(sweep, bnexp, tmp_path):
    folder = copy_of(sweep, tmp_path)

    done = bnexp("train", "sweep.yaml", "-s", "train.epochs=1", "-s", "sweep.seeds=1",
                 "--force", cwd=folder)  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert read_run(first_run(folder)).summary.epochs == 1
    assert len(list(first_run(folder).glob("events.out.tfevents.*"))) == 1


def test_a_run_without_a_summary_goes_on_from_its_last_checkpoint(sweep, bnexp, tmp_path):
    folder = copy_of(sweep, tmp_path)
    run = RunDir(first_run(folder))
    run.summary.unlink()
    status = json.loads(run.status.read_text())
    run.status.write_text(json.dumps({**status, "state": "interrupted"}))

    done = bnexp("train", "sweep.yaml", cwd=folder)

    assert done.returncode == 0
    assert "8 done, 1 to do (1 of them from a checkpoint)" in done.stderr
    assert "continues after step 20" in done.stderr
    again, original = read_run(run.path), read_run(first_run(sweep))
    assert again.summary.final["test/loss"] == original.summary.final["test/loss"]


def test_train_says_what_it_will_do_and_what_comes_next(sweep):
    said = (sweep / "stderr.txt").read_text()
    printed = (sweep / "stdout.txt").read_text()

    assert re.search(
        r"sweep: 3 cells × 3 seeds, 0 done, 9 to do, on cpu, about \d+ s of training, "
        r"into runs/sweep",
        said,
    )
    assert len(re.findall(r"^\[\d/9\] .* epoch \d/2 .* images/s$", said, re.MULTILINE)) == 18
    assert printed.splitlines() == [
        "compare:     bnexp compare sweep",
        "TensorBoard: bnexp tb sweep",
    ]


def test_compare_prints_json_alone_with_every_cell(sweep, bnexp):
    done = bnexp("compare", "sweep", "--format", "json", cwd=sweep)

    comparison = json.loads(done.stdout)
    assert comparison["baseline"] == "norm=none"
    assert [cell["cell"] for cell in comparison["cells"]] == [
        "norm=none",
        "norm=batch",
        "norm=batch(eps=0.001)",
    ]
    for cell in comparison["cells"]:
        assert (cell["n"], cell["statuses"]["finished"]) == (3, 3)
        for seed, value in cell["values"].items():
            run = read_run(sweep / "runs" / "sweep" / cell["cell"] / f"seed={seed}")
            assert value == run.summary.final["test/accuracy"]


def test_compare_without_a_name_takes_the_newest_experiment(sweep, bnexp):
    done = bnexp("compare", cwd=sweep)

    assert done.returncode == 0, done.stderr
    assert "norm=batch" in done.stdout


def test_plan_writes_nothing(sweep, bnexp, tmp_path):
    done = bnexp("plan", sweep / "sweep.yaml", cwd=tmp_path)

    assert done.returncode == 0
    assert "sweep: 9 runs in runs/sweep" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_ls_lists_experiments_and_runs(sweep, bnexp):
    experiments = json.loads(bnexp("ls", "--json", cwd=sweep).stdout)
    runs = json.loads(bnexp("ls", "sweep", "--json", cwd=sweep).stdout)

    assert [(row["experiment"], row["runs"]) for row in experiments] == [("sweep", 9)]
    assert {run["state"] for run in runs} == {"finished"}
    assert "9 finished" in bnexp("ls", cwd=sweep).stdout


DIVERGING = """\
name: diverging
data: {name: shapes, train_size: 200, val_size: 0, test_size: 50, batch_size: 50}
model: {name: cnn, layers: [{conv: 8}, {pool: max}]}
optim: {name: sgd, schedule: {name: constant}}
train: {epochs: 2, device: cpu, threads: 1}
sweep: {grid: {model.norm.name: [none, batch], optim.learning_rate: [1.0e+20, 0.01]}}
"""


def test_a_diverged_run_is_kept_counted_and_no_failure(bnexp, tmp_path):
    (tmp_path / "d.yaml").write_text(DIVERGING)

    done = bnexp("train", "d.yaml", cwd=tmp_path)
    compared = json.loads(bnexp("compare", "--format", "json", cwd=tmp_path).stdout)

    assert done.returncode == 0, done.stderr
    assert "diverged: the training loss was nan at step" in done.stderr
    cells = {cell["cell"]: cell for cell in compared["cells"]}
    diverged = cells["norm=none,learning_rate=1e+20"]
    assert (diverged["n"], diverged["mean"]) == (0, None)
    assert diverged["statuses"]["diverged"] == 1
    assert cells["norm=none,learning_rate=0.01"]["n"] == 1


def test_the_thread_count_of_one_cell_does_not_reach_the_next(forks, tmp_path):
    config = DIVERGING.partition("sweep:")[0].replace(", threads: 1", "")
    (tmp_path / "c.yaml").write_text(config + "sweep: {grid: {train.threads: [1, null]}}\n")
    two = "from bnexp.training.machine import device; device.DEFAULT_THREADS = 2"

    done = forks.run("train", "c.yaml", "-s", "optim.learning_rate=0.01", cwd=tmp_path, before=two)

    assert done.code == 0, done.said
    threads = [
        json.loads((tmp_path / f"runs/diverging/{cell}/seed=0/environment.json").read_text())
        for cell in ("threads=1", "threads=null")
    ]
    assert [environment["threads"] for environment in threads] == [1, 2]


def fail_in_two_ways(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "name: fails\n"
        "data: {name: image_folder, root: images, val_size: 0}\n"
        "model: {name: cnn, layers: [{conv: 8}]}\n"
        "train: {device: cpu}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "none.yaml"], 2, "none.yaml: cannot read the config: No such file"),
        (["train", "c.yaml"], 1, "images"),
        (["train", "c.yaml", "--device", "cuda:7"], 2, "there is no device 'cuda:7'"),
        (["train", "c.yaml", "--device", "tpu"], 2, "'tpu' is not one of auto, cpu, mps, cuda"),
        (["train", "c.yaml", "-s", "train.epoch=1"], 2, "did you mean 'epochs'?"),
        (["compare", "nothing"], 2, "no runs of 'nothing'"),
        (["compare"], 2, "train some first"),
        (["tb"], 2, "train some runs first"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(
    arguments, code, said, bnexp, tmp_path
):
    fail_in_two_ways(tmp_path)

    done = bnexp(*arguments, cwd=tmp_path, BNEXP_DATA=str(tmp_path / "data"))

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert count_lines(done) == 1
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml"]


def count_lines(done):
    """Returns the lines on stderr beside the one that says what is being waited for."""
    lines = done.stderr.strip().splitlines()
    return len(lines) - lines.count("loading PyTorch…")


def test_an_empty_image_folder_leaves_no_run(bnexp, tmp_path):
    fail_in_two_ways(tmp_path)
    (tmp_path / "images" / "train" / "cat").mkdir(parents=True)
    (tmp_path / "images" / "test" / "cat").mkdir(parents=True)

    done = bnexp("train", "c.yaml", cwd=tmp_path, BNEXP_DATA=str(tmp_path / "data"))

    assert done.returncode == 1
    assert count_lines(done) == 1
    assert not (tmp_path / "runs").exists()


def test_an_offline_download_names_both_ways_out_and_leaves_no_run(bnexp, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "name: offline\ndata: {name: cifar10}\nmodel: {name: cnn, layers: [{conv: 8}]}\n"
    )

    done = bnexp("train", "c.yaml", cwd=tmp_path, BNEXP_DATA=str(tmp_path / "data"),
                 BNEXP_CIFAR10_URL="http://127.0.0.1:9/cifar-10-python.tar.gz")  # fmt: skip

    assert done.returncode == 1
    assert "bnexp data fetch" in done.stderr
    assert "bnexp data import" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_runs_folder_that_cannot_be_written_is_named(bnexp, tmp_path):
    (tmp_path / "c.yaml").write_text(DIVERGING.partition("sweep:")[0])
    (tmp_path / "runs").write_text("a file\n")

    done = bnexp("train", "c.yaml", cwd=tmp_path)

    assert done.returncode == 2
    assert "--runs-dir runs is a file; name a folder" in done.stderr


def draw_small_pictures(root, **more):
    """Draws six training and two test pictures of two classes, 6×6 pixels, and more if asked."""
    for part, count in {"train": 6, "test": 2, **more}.items():
        for name in ("cat", "dog"):
            for index in range(count):
                save(root / part / name / f"{index}.png", (40 * index, 0, 0), (6, 6))


@pytest.mark.parametrize(("more", "val_size", "val_images"), [({"val": 3}, 0, 6), ({}, 4, 4)])
def test_a_run_records_how_many_pictures_validated_it(more, val_size, val_images, bnexp, tmp_path):
    draw_small_pictures(tmp_path / "images", **more)
    (tmp_path / "c.yaml").write_text(
        f"name: small\ndata: {{name: image_folder, root: images, val_size: {val_size}}}\n"
        "model: {name: mlp}\noptim: {name: sgd, schedule: {name: constant}}\n"
        "train: {epochs: 1}\n"
    )
    done = bnexp("train", "c.yaml", cwd=tmp_path, BNEXP_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr

    run = read_run(tmp_path / "runs/small/base/seed=0")
    assert run.environment["dataset.val_images"] == val_images
    assert count_images(run, "val") == val_images
    accuracy = run.summary.final["val/accuracy"] * val_images
    assert accuracy == pytest.approx(round(accuracy))


def test_every_cell_is_checked_against_its_pictures_before_any_run(bnexp, tmp_path):
    draw_small_pictures(tmp_path / "images")
    # Only the first cell is impossible: five images leave a ghost batch of one at 1×1 pixels.
    (tmp_path / "c.yaml").write_text(
        "name: small\ndata: {name: image_folder, root: images}\n"
        "model: {name: mlp, norm: {name: batch, normalization_batch_size: 4}}\n"
        "optim: {name: sgd, schedule: {name: constant}}\n"
        "evaluate: {population_statistics: [ema, precise]}\n"
        "sweep: {grid: {evaluate.precise_images: [5, 8]}}\n"
    )

    done = bnexp("train", "c.yaml", cwd=tmp_path, BNEXP_DATA=str(tmp_path / "data"))

    assert done.returncode == 2, done.stderr
    assert "evaluate.precise_images: evaluation would leave a batch of 5" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_pictures_that_are_too_small_for_the_network_are_told_before_any_run(bnexp, tmp_path):
    draw_small_pictures(tmp_path / "images")
    (tmp_path / "c.yaml").write_text(
        "name: small\ndata: {name: image_folder, root: images}\n"
        "model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 8}]}\n"
    )

    done = bnexp("train", "c.yaml", cwd=tmp_path, BNEXP_DATA=str(tmp_path / "data"))

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: model.layers.1: a pooling of 8 gets only 6×6 pixels; remove a pooling or a stride"
    )
    assert not (tmp_path / "runs").exists()

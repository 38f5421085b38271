"""`bnexp show` tells what network a config, a cell or a run has."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from bnexp.cli.runs.show import show
from bnexp.config.load import load_experiment
from bnexp.config.yaml.writer import write_yaml
from bnexp.errors import UsageError
from bnexp.launch.plan import plan_runs
from bnexp.launch.resolved_config import resolved_config

CONFIG = """\
name: trial
data: {name: shapes}
model: {name: cnn, layers: [{conv: 8}, {pool: max}]}
sweep:
  grid: {model.norm.name: [none, batch]}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def run(*arguments):
    app = typer.Typer()
    app.command()(show)
    return CliRunner().invoke(app, arguments)


def read(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_the_table_shows_layers_norm_biases_and_totals(here):
    result = run("c.yaml", "--cell", "norm=batch")

    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["layers.0.conv", "Conv2d", "8×32×32", "no", "216", "0.442"] in rows
    assert ["layers.0.norm", "BatchNorm2d", "8×32×32", "●", "16"] in rows
    assert ["linear", "Linear", "10", "yes", "90", "0.00016"] in rows
    assert ["all", "322", "0.443"] in rows
    assert "norm:   batch, 1 layer with 16 parameters" in result.stdout
    assert "biases: left out of 1 of 2 convolutions" in result.stdout
    assert "a multiply-add counts as two" in result.stdout


@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        (["train.trainable=norms"], 16),
        (["train.trainable=as_many_as_norms", "train.train_output_layer=true"], 16 + 90),
    ],
)
def test_how_many_parameters_are_trained_is_shown_if_not_all(here, settings, trained):
    options = [word for setting in settings for word in ("-s", setting)]
    where = ["c.yaml", "--cell", "norm=batch", "-s", "sweep.grid={model.norm.name: [batch]}"]

    assert f"trained: {trained} of 322 parameters" in run(*where, *options).stdout
    assert read(*where, *options)["trained_parameters"] == trained
    assert "trained:" not in run("c.yaml", "--cell", "norm=batch").stdout
    assert read("c.yaml", "--cell", "norm=batch")["trained_parameters"] == 322


def test_a_table_fits_any_encoding(here, bnexp):
    # As with PYTHONIOENCODING, which is read when Python starts.
    ascii_alone = "import sys; sys.stdout.reconfigure(encoding='ascii', errors='strict')"
    done = bnexp("show", "c.yaml", cwd=here, before=ascii_alone)

    assert done.returncode == 0, done.stderr
    assert "8?32?32" in done.stdout


def test_a_name_too_long_for_a_file_is_told(here):
    assert str(run("x" * 300).exception).startswith("no runs of 'xxx")


def test_json_is_alone_on_stdout_and_complete(here):
    result = run("c.yaml", "--json")

    content = json.loads(result.stdout)
    # The first test in its process also loads PyTorch, and the command says so.
    assert result.stderr in ("", "loading PyTorch…\n")
    assert content["parameters"] == 8 * 27 + 8 + 90
    assert (content["experiment"], content["cell"]) == ("trial", "norm=none")
    assert (content["model"], content["norm"]) == ("cnn", "none")
    assert (content["image_shape"], content["num_classes"]) == ([32, 32, 3], 10)
    assert content["layers"][0]["name"] == "layers.0.conv"
    assert content["biases_left_out"] == []


def test_the_first_cell_is_shown_unless_another_is_named(here):
    assert "the first of 2 cells; --cell CELL shows another\n" in run("c.yaml").stderr
    assert "--cell" not in run("c.yaml", "--cell", "norm=batch").stderr
    assert read("c.yaml")["norm_parameters"] == 0
    assert read("c.yaml", "--cell", "norm=batch")["norm_parameters"] == 16


def test_settings_replace_values(here):
    settings = ["-s", "sweep=null", "-s", "model.name=resnet", "-s", "model.depth=8"]

    assert read("c.yaml", *settings)["model"] == "resnet"


def test_an_unknown_cell_is_told_with_those_that_there_are(here):
    error = run("c.yaml", "--cell", "norm=bacth").exception

    assert isinstance(error, UsageError)
    assert str(error) == "no cell 'norm=bacth' (did you mean 'norm=batch'?)"
    other = run("c.yaml", "--cell", "zzz").exception
    assert str(other) == "no cell 'zzz'; there are norm=none, norm=batch"


def test_a_missing_file_is_told(here):
    assert "cannot read the config" in str(run("none.yaml").exception)


def test_an_impossible_network_is_told_with_its_key(here):
    settings = ["-s", "sweep=null", "-s", "model.name=torchvision"]
    error = run("c.yaml", *settings, "-s", "model.architecture=resnet81").exception

    assert isinstance(error, UsageError)
    assert str(error).startswith("model.architecture: torchvision has no 'resnet81'")


@pytest.fixture
def begun(here):
    """Leaves what runs that were begun leave."""
    for planned in plan_runs(load_experiment(here / "c.yaml"), here / "runs", False):
        content = resolved_config(planned.spec)
        planned.folder.create(write_yaml(content), {"config": content})
    return here


@pytest.mark.parametrize(
    ("arguments", "cell", "norm"),
    [
        (["trial"], "norm=none", "none"),
        (["trial", "--cell", "norm=batch"], "norm=batch", "batch"),
        (["runs/trial/norm=batch"], "norm=batch", "batch"),
        (["runs/trial/norm=batch/seed=0"], "norm=batch", "batch"),
    ],
)
def test_the_network_of_a_run_is_shown_from_what_it_left(begun, arguments, cell, norm):
    content = read(*arguments, "--network")

    assert content["norm"] == norm
    assert content["experiment"] == "trial"
    assert content["cell"] == cell


def test_an_unknown_experiment_is_told(begun):
    assert str(run("trail").exception) == "no runs of 'trail' in runs (did you mean 'trial'?)"


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("trial/norm=bach/seed=0", " (did you mean 'trial/norm=batch'?)"),
        ("runs/trial/norm=bach", " (did you mean 'trial/norm=batch'?)"),
        ("trial/norm=batch/seed=O", " (did you mean 'trial/norm=batch/seed=0'?)"),
        ("trial/x", "; there are norm=batch, norm=none"),
        ("trail/norm=batch", " (did you mean 'trial'?)"),
        ("/no/such/place", "; there are trial"),
        ("/..", "; there are trial"),
    ],
)
def test_of_a_path_the_first_wrong_word_is_told(begun, target, hint):
    assert str(run(target).exception) == f"no runs of '{target}' in runs{hint}"


def test_images_of_ones_own_are_loaded_for_their_size(here):
    pictures = pytest.importorskip("PIL.Image")
    for part, count in (("train", 4), ("test", 2)):
        for label in ("a", "b"):
            folder = here / "pictures" / part / label
            folder.mkdir(parents=True)
            for index in range(count):
                pictures.new("RGB", (12, 10), (index, 0, 0)).save(folder / f"{index}.png")
    text = CONFIG.replace("{name: shapes}", "{name: image_folder, root: pictures, batch_size: 4}")
    (here / "own.yaml").write_text(text)

    content = read("own.yaml", "-s", "data.root=pictures")
    assert content["image_shape"] == [10, 12, 3]
    assert content["num_classes"] == 2


def test_the_help_needs_no_heavy_library():
    code = (
        "import sys; import bnexp.cli.runs.show; "
        "print({'torch', 'torchvision', 'tensorboard', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"

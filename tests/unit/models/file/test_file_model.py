"""A network from a Python file: trained as it stands or with our norms, and run only if trusted."""

import hashlib
import pickle
import re
import shutil
import sys
from pathlib import Path

import interrupted_runs
import pytest
import torch
from run_results import read_results
from sweeps import CONFIG, plan, read_runs, train
from torch import nn
from typer.testing import CliRunner

from bnexp.api.runs import load_model, load_runs
from bnexp.cli.app import build_app
from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError, UsageError
from bnexp.launch.prepare import prepare
from bnexp.models.file.config import FileConfig
from bnexp.models.file.trust import trusting_files
from bnexp.models.model import ImpossibleModelError
from bnexp.norms.group.config import GroupNormConfig
from bnexp.runs.inspection import inspect
from bnexp.training.initialization import initialize

NET = """\
from collections import OrderedDict

from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes=10, in_channels=3, width=4):
        super().__init__()
        block = {
            "conv": nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
            "norm": nn.BatchNorm2d(width),
            "activation": nn.ReLU(),
        }
        self.layers = nn.Sequential(nn.Sequential(OrderedDict(block)), nn.MaxPool2d(4))
        self.linear = nn.Linear(width, num_classes)

    def forward(self, images):
        return self.linear(self.layers(images).mean((2, 3)))
"""
"""The network of `CONFIG`, as a user would write it."""
CNN = "{name: cnn, layers: [{conv: 4}, {pool: max, size: 4}]}"
FILE = CONFIG.replace(CNN, "{name: file, path: net.py}")
SMALL = (8, 8, 3)


def write(folder, source=NET, name="net.py"):
    path = folder / name
    path.write_text(source)
    return str(path)


def build(config, image_shape=SMALL, num_classes=5):
    with trusting_files():
        return config.build(image_shape, num_classes)


def find_sites(config):
    with trusting_files():
        return config.find_norm_sites(SMALL, 5)


def test_the_config_is_that_of_the_file(tmp_path):
    config = FileConfig(path=write(tmp_path))

    assert config.sha256 == hashlib.sha256(NET.encode()).hexdigest()
    assert pickle.loads(pickle.dumps(config)).code == NET.encode()
    assert FileConfig.model_validate(config.model_dump()) == config
    assert config.model_dump()["class"] is None


def test_the_network_is_plain_pytorchs_unless_the_config_says_otherwise(tmp_path):
    names = {}
    exec(NET, names)
    torch.manual_seed(3)
    expected = names["Net"](5)
    config = FileConfig(path=write(tmp_path))
    build(config)
    torch.manual_seed(3)
    network = build(config)
    initialize(network, 0, config.initialization)

    assert str(network) == str(expected)
    assert all(map(torch.equal, network.state_dict().values(), expected.state_dict().values()))
    (site,) = find_sites(config)
    assert (site.norm.name, site.norm.momentum, site.shape) == ("batch", 0.1, (4, 8, 8))


def test_the_first_weights_are_bnexps_if_the_config_says_so(tmp_path):
    (run,) = plan(tmp_path, "sweep=null") if write(tmp_path) else ()
    ours = run.spec.config.model.build((32, 32, 3), 10)
    initialize(ours, 0)
    config = FileConfig(path=write(tmp_path), initialization={"name": "he"})
    network = build(config, (32, 32, 3), 10)
    initialize(network, 0, config.initialization)

    weights = ours.state_dict()
    assert {name: value.tolist() for name, value in network.state_dict().items()} == {
        name: value.tolist() for name, value in weights.items()
    }


def test_what_the_network_is_told_goes_by_the_names_of_its_parameters(tmp_path):
    source = NET.replace("in_channels=3", "in_chans=3").replace("(in_channels,", "(in_chans,")
    config = FileConfig(path=write(tmp_path, source), arguments={"width": 6})

    network = build(config, (8, 8, 1), 7)
    assert network.layers[0].conv.weight.shape == (6, 1, 3, 3)
    assert network.linear.weight.shape == (7, 6)


def test_what_the_file_prints_leaves_stdout_to_results(tmp_path, capsys):
    lines = NET.replace("super().__init__()", "super().__init__(); print('made')", 1)
    lines = lines.replace("        return self.linear", "        sys.stdout.write('used ')\n"
                          "        return self.linear")  # fmt: skip
    config = FileConfig(path=write(tmp_path, f"import sys\n{lines}\nprint('imported')\n"))

    with trusting_files():
        config.build(SMALL, 5)(torch.zeros(2, 3, 8, 8))
    sys.stdout.write("result\n")

    printed = capsys.readouterr()
    assert printed.out == "result\n"
    assert printed.err.split() == ["imported", "made", "used"]


def test_a_function_can_make_the_network(tmp_path):
    source = NET + "\n\ndef narrow(n_classes):\n    return Net(n_classes, width=1)\n"
    network = build(FileConfig(path=write(tmp_path, source), **{"class": "narrow"}))

    assert network.linear.weight.shape == (5, 1)


def test_layers_that_find_their_size_do(tmp_path):
    source = NET.replace("nn.Linear(width,", "nn.LazyLinear(").replace(
        "nn.BatchNorm2d(width)", "nn.LazyBatchNorm2d()"
    )
    config = FileConfig(path=write(tmp_path, source), norm=GroupNormConfig(num_groups=2))

    network = build(config)
    assert network.training
    assert type(network.linear) is nn.Linear
    assert network.layers[0].norm.num_groups == 2


def test_a_network_is_trained_as_ours_of_the_same_layers(tmp_path):
    write(tmp_path)
    shared = ("data.train_size=60", "model.norm=batch", "model.initialization=he")
    for folder, config in (("cnn", CONFIG), ("file", FILE.replace("net.py", "../net.py"))):
        assert train(plan(tmp_path / folder, *shared, config=config)) == {"finished": 1}

    found, expected = (read_runs(tmp_path / f"{folder}/runs") for folder in ("file", "cnn"))
    for run in (*found.values(), *expected.values()):
        # Ours takes the activation after the pooling, which keeps both for the backward pass.
        assert run["summary"].pop("training_memory_bytes")
    assert found == expected


def test_a_sweep_of_norms_gives_the_same_in_worker_processes(tmp_path):
    write(tmp_path)
    settings = ("sweep.grid={model.norm.name: [own, none]}", "data.train_size=60")
    first = plan(tmp_path, *settings, config=FILE)
    prepare(first, lambda _: None)
    assert train(first) == {"finished": 2}
    expected = read_runs(tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs")
    planned = plan(tmp_path, *settings, config=FILE)
    write(tmp_path, "raise RuntimeError")  # what was planned counts

    assert train(planned, jobs=2) == {"finished": 2}
    assert read_runs(tmp_path / "runs") == expected


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    model = f"model={{name: file, path: {write(tmp_path)}}}"
    run = interrupted_runs.interrupt(tmp_path, 8, model)
    (run.folder.path / "model.py").unlink()

    whole = interrupted_runs.plan(other, model)
    assert [interrupted_runs.train(one)[0] for one in (run, whole)] == ["finished"] * 2
    assert read_results(run.folder.path) == read_results(whole.folder.path)
    assert (run.folder.path / "model.py").read_text() == NET


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run that has ended, whose file is gone."""
    folder = tmp_path_factory.mktemp("trained")
    write(folder)
    runs = plan(folder, "data.train_size=60", config=FILE)
    assert train(runs) == {"finished": 1}
    (folder / "net.py").unlink()
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A copy of that folder, which is the current one."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_keeps_its_network_although_the_file_is_gone(here):
    (run,) = load_runs("many")
    (path,) = (path.parent for path in here.rglob("config.yaml"))

    network = load_model(run, trust=True)
    assert torch.equal(
        network.network.layers[0].conv.weight,
        torch.load(path / "checkpoint.pt", weights_only=True)["model"]["layers.0.conv.weight"],
    )
    assert (path / "model.py").read_text() == NET
    assert (
        load_experiment(path / "config.yaml").runs[0].config.fingerprint() == run.record.fingerprint
    )
    (path / "model.py").write_text(NET + "\n")
    assert any("model.py is not what the run wrote" in found.text for found in inspect(path))
    with pytest.raises(ConfigError, match=r"model.py has changed since this was written"):
        load_model(run, trust=True)


def test_an_edited_file_is_another_run(here):
    write(here, NET.replace("MaxPool2d", "AvgPool2d"))

    with pytest.raises(UsageError, match=r"the file .*net.py has changed"):
        plan(here, "data.train_size=60", config=FILE)


def test_the_same_file_elsewhere_is_the_same_run(here):
    write(here, name="moved.py")

    (run,) = plan(here, "data.train_size=60", config=FILE.replace("net.py", "moved.py"))
    assert run.action == "skip"


def run_command(*words):
    return CliRunner().invoke(build_app(), [*words])


@pytest.mark.parametrize(
    "command", ["show c.yaml", "doctor c.yaml", "doctor many", "evaluate many"]
)
def test_commands_run_the_file_only_if_it_is_trusted(here, command):
    write(here)

    refused = run_command(*command.split())
    assert isinstance(refused.exception, UsageError)
    assert "is Python code, which only bnexp train runs unasked" in str(refused.exception)
    assert run_command(*command.split(), "--trust").exit_code == 0


def test_python_runs_the_file_only_if_it_is_trusted(here):
    with pytest.raises(UsageError, match=r"load_model\(run, trust=True\)"):
        load_model("many")


def test_a_plan_runs_nothing_and_says_so(here):
    write(here, f"open({str(here / 'traces')!r}, 'w')")
    done = run_command("plan", "c.yaml", "-s", "name=other")

    assert done.exit_code == 0
    assert "the network is known only once it is built, so it is not checked" in done.stdout
    for words in ("ls", "compare", "show many"):
        assert run_command(*words.split()).exit_code == 0
    assert not (here / "traces").exists()


@pytest.mark.parametrize(
    ("source", "path", "reason"),
    [
        ("class Net(:", "path", r"net.py cannot be imported \(.*net.py:1: SyntaxError: invalid"),
        ("import nothing_such", "path", r"cannot be imported \(.*net.py:1: ModuleNotFoundError"),
        ("import beside", "path", r"cannot be imported; it must be complete in itself"),
        ("exit(0)", "path", r"cannot be imported \(.*net.py:1: SystemExit: 0"),
        ("", "class", "must name one of the networks that net.py defines: none"),
        (NET + "class Other(nn.Module): pass", "class", "that net.py defines: Net, Other"),
        (NET.replace("(self, num", "(self, depth, num"), "arguments",
         "net.py needs 'depth'; set model.arguments.depth"),
        (NET.replace("super().__init__()", "1 / 0"), "path",
         r"net.py cannot be built \(.*net.py:8: ZeroDivisionError: division by zero\)"),
        (NET.replace("mean((2, 3))", "flatten(1)"), "path",
         r"does not fit images of 8×8 pixels and 3 channels \(.*net.py:18: RuntimeError: mat1 and"),
        (NET.replace("return ", "return ()  # "), "path",
         "turns 2 images into tuple in training, not into logits"),
        (NET.replace("num_classes)", "3)"), "path",
         r"turns 2 images into \(2, 3\) in training, not into logits \(2, 5\)"),
    ],
)  # fmt: skip
def test_mistakes_in_the_file_are_named_with_their_place(tmp_path, source, path, reason):
    write(tmp_path, "", "beside.py")
    config = FileConfig(path=write(tmp_path, source))

    with pytest.raises(ImpossibleModelError, match=reason) as caught:
        find_sites(config)
    assert caught.value.path[0] == path


def test_the_network_of_the_page_takes_each_norm(tmp_path):
    page = (Path(__file__).parents[4] / "docs" / "extending.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"^```\w+\n# (my_net.py|mine.yaml)\n(.*?)^```$", page, re.M | re.S))
    for name, content in files.items():
        write(tmp_path, content, name)
    configs = [run.config.model for run in load_experiment(tmp_path / "mine.yaml").runs[::3]]

    networks = [build(config) for config in configs]
    assert [type(network.features[1]).__name__ for network in networks] == [
        "BatchNorm2d", "Identity", "GroupNorm", "BatchNorm2d"
    ]  # fmt: skip
    assert networks[0].features[0].weight.shape == (32, 3, 3, 3)

"""What every norm, model and dataset of the unions must do; a new member is tested unasked."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from bnexp.data import DATASETS
from bnexp.errors import UsageError
from bnexp.models import MODELS, CnnConfig
from bnexp.models.cnn import ConvLayer
from bnexp.norms import NORMS
from bnexp.parts import load_plugins, part_name
from bnexp.training.initialization import initialize

PARTS = [*NORMS, *MODELS, *DATASETS]


def named(part):
    return part_name(part)


def build_network(norm, placement="before_activation"):
    layers = (ConvLayer(conv=6), ConvLayer(conv=6))
    model = CnnConfig(layers=layers, norm=norm(), placement=placement).build((8, 8, 3), 4)
    initialize(model, seed=0)
    return model


@pytest.mark.parametrize("part", PARTS, ids=named)
def test_a_part_has_a_name_and_every_field_says_what_it_means(part):
    assert part_name(part)
    assert part.__doc__
    undocumented = [
        key for key, field in part.model_fields.items() if key != "name" and not field.description
    ]
    assert undocumented == []


@pytest.mark.parametrize("norm", NORMS, ids=named)
def test_a_norm_keeps_shape_and_memory_format_and_is_finite(norm):
    layer = norm().build(6)
    inputs = torch.randn(4, 6, 5, 3).to(memory_format=torch.channels_last)

    outputs = layer(inputs)
    assert outputs.shape == inputs.shape
    assert outputs.isfinite().all()
    assert outputs.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("norm", NORMS, ids=named)
def test_the_gradient_of_a_norm_is_right(norm):
    torch.manual_seed(0)
    layer = norm().build(3).double()
    inputs = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    parameters = tuple(layer.parameters())

    def forward(inputs, *values):
        names = [name for name, _ in layer.named_parameters()]
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (inputs,))

    assert torch.autograd.gradcheck(forward, (inputs, *parameters))


@pytest.mark.parametrize("norm", NORMS, ids=named)
def test_evaluation_does_not_depend_on_the_other_images_of_the_batch(norm):
    layer = norm().build(3)
    layer(torch.randn(8, 3, 4, 4) * 2 + 1)
    layer.eval()
    inputs = torch.randn(5, 3, 4, 4)

    torch.testing.assert_close(layer(inputs)[2:3], layer(inputs[2:3]))


@pytest.mark.parametrize("norm", NORMS, ids=named)
@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
def test_a_network_with_a_norm_learns_four_pictures(norm, placement):
    model = build_network(norm, placement)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(0)
    inputs, targets = torch.randn(4, 3, 8, 8), torch.arange(4)
    first = nn.functional.cross_entropy(model(inputs), targets).item()

    for _ in range(80):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.2 * first


@pytest.mark.parametrize("norm", NORMS, ids=named)
def test_the_state_of_a_network_survives_saving_and_loading(norm, tmp_path):
    model, other = build_network(norm), build_network(norm)
    model(torch.randn(8, 3, 8, 8) + 1)
    torch.save(model.state_dict(), tmp_path / "state.pt")

    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))

    inputs = torch.randn(2, 3, 8, 8)
    assert torch.equal(model.eval()(inputs), other.eval()(inputs))


@pytest.mark.parametrize("norm", NORMS, ids=named)
def test_a_norm_that_uses_the_batch_says_so(norm):
    layer = norm().build(3)
    inputs = torch.randn(6, 3, 4, 4)

    depends = not torch.allclose(layer(inputs)[:1], norm().build(3)(inputs[:1]))
    assert depends == (norm().statistics_batch(6) is not None)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_a_model_gives_logits_and_names_its_norm_sites(model):
    config = model()
    network = config.build((32, 32, 3), 7)

    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(config.norm_sites((32, 32, 3))) == len(norms)


@pytest.mark.parametrize("part", PARTS, ids=named)
def test_the_module_of_a_part_imports_no_heavy_library(part):
    code = f"import sys, {part.__module__}; sys.exit(bool({{'torch', 'numpy'}} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_plug_in_that_is_no_config_class_is_named(monkeypatch):
    class Entry:
        name, value = "broken", "pkg:Thing"

        def load(self):
            return object

    monkeypatch.setattr("bnexp.parts.entry_points", lambda group: [Entry()])
    load_plugins.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"plug-in 'pkg:Thing' in 'bnexp\.norms' is not a"):
            load_plugins("bnexp.norms")
    finally:
        load_plugins.cache_clear()


PLUGIN = '''
"""A norm from another package."""
from typing import Literal
from bnexp.norms import NormConfig

class ScaleConfig(NormConfig):
    """Multiplies by one learned factor."""
    name: Literal["scale"] = "scale"
    initial: float = 1.0
    """Where the factor starts."""

    def build(self, num_features):
        import torch
        class Scale(torch.nn.Module):
            def __init__(self, initial):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.tensor(initial))
            def forward(self, inputs):
                return inputs * self.weight
        return Scale(self.initial)
'''


def test_a_norm_of_another_package_trains_from_yaml(tmp_path, bnexp):
    (tmp_path / "scale_norm.py").write_text(PLUGIN)
    info = tmp_path / "scale_norm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scale-norm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bnexp.norms]\nscale = scale_norm:ScaleConfig\n")
    (tmp_path / "c.yaml").write_text(
        "name: plug\ndata: {name: shapes, train_size: 100, val_size: 0, batch_size: 50}\n"
        "model: {name: cnn, layers: [{conv: 4}], norm: {name: scale, initial: 0.5}}\n"
        "train: {epochs: 1, device: cpu}\noptim: {name: sgd, schedule: {name: constant}}\n"
    )

    done = bnexp("train", "c.yaml", cwd=tmp_path, PYTHONPATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/plug/base/seed=0/summary.json").exists()

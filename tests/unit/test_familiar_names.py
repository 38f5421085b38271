"""Names that people bring from elsewhere are answered with ours, before spelling is compared."""

import pytest
from typer.main import get_command

from bnexp.cli.app import build_app
from bnexp.config.claim.config import METRICS
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError, did_you_mean
from bnexp.familiar_names import all_names
from bnexp.norms import NORMS
from bnexp.parts import part_name

CONFIG = """\
name: trial
data: {name: cifar10, batch_size: 64}
model: {name: cnn, layers: [{conv: 8}, {pool: max}, {conv: 16}]}
optim: sgd
train: {epochs: 2}
"""


def find_words(schema):
    """Returns every key and every fixed value that a JSON schema holds."""
    if isinstance(schema, list):
        return {word for item in schema for word in find_words(item)}
    if not isinstance(schema, dict):
        return set()
    own = {*schema.get("properties", ()), *schema.get("enum", ()), schema.get("const")}
    return own | {word for item in schema.values() for word in find_words(item)}


def test_every_name_in_the_table_exists():
    group = get_command(build_app())
    commands = {**group.commands["data"].commands, **group.commands}
    parameters = [parameter for one in commands.values() for parameter in one.params]
    options = {option for parameter in parameters for option in parameter.opts}
    words = find_words(ExperimentConfig.model_json_schema())
    known = words | set(METRICS) | options | set(commands)

    assert [name for name in all_names() if name not in known] == []


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [
        ("model.norm=batch_norm", "'batch'"),
        ("model.norm=batchnorm", "'batch'"),
        ("model.norm=BatchNorm2d", "'batch'"),
        ("model.norm=bn", "'batch'"),
        ("model.norm=gn", "'group'"),
        ("model.norm=GroupNorm", "'group'"),
        ("model.norm=ln", "'layer'"),
        ("model.norm=LayerNorm2d", "'layer_channels'"),
        ("model.norm=RMSNorm", "'rms'"),
        ("model.norm=EvoNorm2dB0", "'evonorm' with variant: B0"),
        ("model.norm=DyT", "'dynamic_tanh'"),
        ("model.norm=off", "'none'"),
        ("model.norm=false", "'none'"),
        ("model.norm=null", "'none'"),
        ("model.norm=FrozenBatchNorm2d", "'batch' with frozen: true"),
        ("model.norm=ghost_batch", "'batch' with normalization_batch_size: 16"),
        ("model.norm=syncbn", "'sync_batch'"),
        ("model=resnet20", "'resnet' with depth: 20"),
        ("model=vgg11_bn", "'vgg' with depth: 11"),
        ("model=PreActResNet18", "'resnet' with order: full_preactivation"),
        ("model=WRN-28-10", "'wide_resnet' with depth: 28 and widen_factor: 10"),
        ("model=LeNet-5", "'cnn'"),
        ("model=DenseNet-BC", "'densenet' with bottleneck: true and compression: 0.5"),
        ("model.activation=swish", "'silu'"),
        ("data=FashionMNIST", "'fashion_mnist'"),
        ("optim.schedule=CosineAnnealingLR", "'cosine'"),
        ("optim.schedule=flat", "'constant'"),
        ("model=resnet18", "'torchvision' with architecture: resnet18"),
        ("model.placement=after_relu", "'after_activation'"),
        ("model.norm_layer=batch", "'norm'"),
        ("optim=adam", "'adamw'"),
        ("optim.lr=0.1", "'learning_rate'"),
        ("optim.wd=0", "'weight_decay'"),
        ("optim.scheduler=cosine", "'schedule'"),
        ("train.precision=amp", "'bf16'"),
        ("lr=0.1", "'optim.learning_rate'"),
        ("bs=8", "'data.batch_size'"),
        ("norm=batch", "'model.norm'"),
        ("train.lr=0.1", "'optim.learning_rate'"),
        ("optim.epochs=3", "'train.epochs'"),
        ("dataset=cifar10", "'data'"),
    ],
)
def test_a_name_from_elsewhere_suggests_ours(override, suggestion, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)

    with pytest.raises(ConfigError) as caught:
        load_experiment(path, [override])

    assert f"(did you mean {suggestion}?)" in str(caught.value)


@pytest.mark.parametrize("word", ["batch_norms", "layr", "grup"])
def test_a_misspelled_name_is_still_found_by_its_spelling(word):
    assert did_you_mean(word, [part_name(member) for member in NORMS])


@pytest.mark.parametrize(
    "override",
    [
        "model.norm=weight_norm",
        "model=alexnet",
        "model=SqueezeNet",
        "optim=nadam",
        "optim=RAdam",
        "optim.schedule=OneCycleLR",
        "model.activation=relu6",
        "data=kmnist",
    ],
)
def test_a_method_that_there_is_not_suggests_no_other_one(override, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)

    with pytest.raises(ConfigError) as caught:
        load_experiment(path, [override])

    assert "is not one of" in str(caught.value)
    assert "did you mean" not in str(caught.value)

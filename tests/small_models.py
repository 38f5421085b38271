"""Options that make each model small enough to be tested with every norm and diagnostic."""

from pathlib import Path

from bnexp.parts import part_name

SMALL = {
    "cnn": {},
    "mlp": {"hidden": (16, 16)},
    "vgg": {"depth": "small", "width": 4},
    "resnet": {"depth": 8, "width": 4},
    "convmixer": {"width": 8, "depth": 2},
    "densenet": {"depth": 10, "growth_rate": 4},
    "wide_resnet": {"depth": 10, "widen_factor": 1},
    "file": {"path": str(Path(__file__).with_name("small_net.py"))},
    "torchvision": {"architecture": "resnet18", "cifar_stem": True},
}


def small_options(model):
    """Returns the options that make a model small; those of plug-ins are taken as they are."""
    return SMALL.get(part_name(model), {})


def default_options(model):
    """Returns the options without which there is no such model."""
    return small_options(model) if "path" in small_options(model) else {}

"""Options that make each model small enough to be tested with every norm and diagnostic."""

from bnexp.parts import part_name

SMALL = {
    "cnn": {},
    "mlp": {"hidden": (16, 16)},
    "vgg": {"depth": "small", "width": 4},
    "resnet": {"depth": 8, "width": 4},
    "convmixer": {"width": 8, "depth": 2},
    "densenet": {"depth": 10, "growth_rate": 4},
    "wide_resnet": {"depth": 10, "widen_factor": 1},
    "torchvision": {"architecture": "resnet18", "cifar_stem": True},
}


def small_options(model):
    """Returns the options that make a model small; those of plug-ins are taken as they are."""
    return SMALL.get(part_name(model), {})

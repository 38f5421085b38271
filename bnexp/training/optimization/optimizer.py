"""Builds the optimiser."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeVar, cast

import torch
from torch import nn

from bnexp.config.optim import AdamWConfig, OptimizerConfig, SgdConfig

AnyOptimizer = TypeVar("AnyOptimizer", bound=torch.optim.Optimizer)


def build_optimizer(
    config: OptimizerConfig,
    model: nn.Module,
    norm_parameters: set[str],
    trained: Mapping[str, nn.Parameter] | None = None,
) -> torch.optim.Optimizer:
    """Returns the optimiser of what is trained (default: all), in two groups: decayed and spared.

    Spared are norms' γ and β unless `decay_norm` is set, and PReLU's slopes always: decay would
    pull them towards ReLU (He et al. 2015, "Delving Deep into Rectifiers", section 2.1).
    """
    slopes = {id(m.weight) for m in model.modules() if isinstance(m, nn.PReLU)}
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in (trained or dict(model.named_parameters())).items():
        is_spared = id(parameter) in slopes or (name in norm_parameters and not config.decay_norm)
        (spared if is_spared else decayed).append(parameter)
    groups = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((decayed, config.weight_decay), (spared, 0.0))
        if parameters
    ]
    # The fused kernels exist for CPU and CUDA; elsewhere PyTorch chooses.
    devices = {parameter.device.type for parameter in model.parameters()}
    fused = True if devices <= {"cpu", "cuda"} else None
    if isinstance(config, AdamWConfig):
        return _without_compiler(torch.optim.AdamW)(
            groups,
            lr=config.peak_learning_rate,
            betas=(config.beta1, config.beta2),
            eps=config.eps,
            fused=fused,
            capturable=devices == {"cuda"},
        )
    assert isinstance(config, SgdConfig)
    return _without_compiler(torch.optim.SGD)(
        groups,
        lr=config.peak_learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov and config.momentum > 0,
        fused=fused,
    )


def _without_compiler(kind: type[AnyOptimizer]) -> type[AnyOptimizer]:
    """Returns an optimiser's class that does not import PyTorch's compiler, which takes seconds.

    PyTorch hides the methods of an optimiser from its compiler when they are first called. We
    compile networks only, never an optimiser.
    """
    for method in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        plain = inspect.unwrap(getattr(kind, method))
        plain.__dict__.setdefault("__dynamo_disable", plain)
    step = torch.no_grad()(inspect.unwrap(kind.step))
    step.hooked = True  # so that PyTorch does not wrap it in calls of hooks, of which we have none
    return cast("type[AnyOptimizer]", type(kind.__name__, (kind,), {"step": step}))

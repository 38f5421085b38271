"""Biases that the next norm subtracts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bnexp.doctor.finding import Finding, Severity
from bnexp.wording import count, name_some

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bnexp.doctor.subjects.network import Network

PROBLEM = "a convolution's bias right before a norm that subtracts it"
CAUSE = (
    "batch and instance norm subtract each channel's mean, the bias with it, so that it has no "
    "effect and no gradient; if an activation stands between, or the norm comes first, it counts"
)
FIX = "build these layers with bias=False (model.bias: auto in a config); β takes the bias's place"

_ZERO = 1e-4
"""A sum of gradients that is a smaller share of their absolute sum is rounding."""


def find_wasted(network: Network) -> dict[str, int]:
    """Returns the layers whose bias the loss does not depend on in training, with its size.

    That shows in one backward pass: the gradients of a norm's inputs add up to 0 in each channel.
    """
    import torch
    from torch import nn

    from bnexp.diagnostics.probe import leaving_no_trace

    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    biased = {
        name: module
        for name, module in network.model.named_modules()
        if isinstance(module, kinds) and module.bias is not None
    }
    outputs: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, _: Any, output: Tensor) -> None:  # noqa: ANN401 - a hook's
        if output.requires_grad:
            output.retain_grad()
            outputs[module] = output

    handles = [module.register_forward_hook(keep) for module in biased.values()]
    try:
        with leaving_no_trace(network.model):
            network.model.train()
            inputs = network.batch[0].detach().requires_grad_()
            logits = network.model(inputs)
            generator = torch.Generator().manual_seed(0)
            weights = torch.randn(logits.shape, generator=generator).to(logits.device)
            # Not the mean: a loss that a last norm keeps constant has no gradient at all.
            (logits * weights).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: len(module.bias)
        for name, module in biased.items()
        if module.bias is not None and module in outputs and _adds_up_to_zero(outputs[module].grad)
    }


def _adds_up_to_zero(gradient: Tensor | None) -> bool:
    """Returns whether the gradients of each channel `(N, C, …)` cancel, and are not all 0."""
    if gradient is None or not gradient.any():
        return False
    axes = [axis for axis in range(gradient.dim()) if axis != 1]
    values = gradient.double()
    return bool((values.sum(axes).abs() <= _ZERO * values.abs().sum(axes)).all())


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the layers with a bias that the next norm subtracts.

    That of linear layers is a note: the MLP of the textbooks has them.
    """
    from torch import nn

    wasted = find_wasted(network)
    if not wasted:
        yield Finding("no bias is wasted", severity="fine")
        return
    evidence = (
        f"{count(sum(wasted.values()), 'parameter')} in {count(len(wasted), 'layer')} whose "
        "gradients add up to 0"
    )
    modules = dict(network.model.named_modules())
    is_linear = all(isinstance(modules[name], nn.Linear) for name in wasted)
    severity: Severity = "note" if is_linear else "warning"
    what = "biases are subtracted by the next norm"
    yield Finding(what, evidence, severity, name_some(wasted))

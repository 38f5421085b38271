"""Weight decay on γ and β."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.config.finding import dotted
from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup
from bnexp.wording import count, name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "weight decay on γ and β of the norms"
CAUSE = (
    "an optimiser that is given all parameters decays γ and β too, which pulls what each norm "
    "puts out towards zero; in the weights before a norm, decay changes only the step size"
)
FIX = "give γ and β a group of their own without decay; in a config, optim.decay_norm: false"


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields what the config's own check says about it."""
    decay = f"{setup.config.optim.weight_decay:g}"
    found = [one for one in setup.findings if one.kind == "weight_decay"]
    for one in found:
        yield Finding("γ and β are decayed", f"{one.reason}: {decay}", "warning", dotted(one.path))
    if setup.norms and not found:
        yield Finding("parameter groups", f"weight decay {decay}, 0 on γ and β", "fine")


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the optimiser's groups, and the norms whose parameters are in a decayed one."""
    if network.optimizer is None:
        return
    of_norms = {
        id(value): f"{name}.{own}"
        for name, norm in network.norms.items()
        for own, value in norm.named_parameters()
    }
    groups, decayed = [], []
    for group in network.optimizer.param_groups:
        decay, values = group.get("weight_decay", 0.0), group["params"]
        size = sum(value.numel() for value in values)
        tensors = count(len(values), "tensor")
        groups.append(f"{decay:g} on {tensors} of {count(size, 'value')}")
        if decay:
            decayed += [of_norms[id(value)] for value in values if id(value) in of_norms]
    evidence = f"weight decay {', '.join(groups)}"
    if decayed:
        yield Finding("γ and β are decayed", evidence, "warning", name_some(decayed))
    else:
        yield Finding("parameter groups", evidence, "fine")

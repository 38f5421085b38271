"""An eps that is not the default."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup
from bnexp.wording import name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "eps is not the default of its norm"
CAUSE = (
    "frameworks have different defaults (PyTorch 1e-5, Keras 1e-3): weights that were trained with "
    "one give other outputs with the other, most in channels with a small variance"
)
FIX = "keep the eps of the code that you compare with, or that the weights come from"


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields each eps that the config changes."""
    for norm in setup.norms:
        eps, field = getattr(norm, "eps", None), type(norm).model_fields.get("eps")
        if eps is not None and field is not None and eps != field.default:
            evidence = f"eps {eps:g}, the default of {norm.name} norm is {field.default:g}"
            yield Finding("eps is not the default", evidence, "warning", "model.norm.eps")


def find_default(network: Network, name: str) -> float | None:
    """Returns the default eps of a layer's config, or of its class; None if neither has one."""
    if name in network.norm_configs:
        field = type(network.norm_configs[name]).model_fields.get("eps")
        return field.default if field else None
    for kind in type(network.norms[name]).__mro__:
        parameter = inspect.signature(kind.__init__).parameters.get("eps")  # type: ignore[misc]
        if parameter is not None and isinstance(parameter.default, float):
            return parameter.default
    return None


def check_network(network: Network) -> Iterator[Finding]:
    """Yields each eps that is not its norm's default, and the smallest running variance there."""
    by_eps: dict[tuple[float, float], list[str]] = {}
    for name, norm in network.norms.items():
        eps, default = getattr(norm, "eps", None), find_default(network, name)
        if isinstance(eps, float) and default is not None and eps != default:
            by_eps.setdefault((eps, default), []).append(name)
    for (eps, default), names in by_eps.items():
        evidence = (
            f"eps {eps:g} in {len(names)} of {len(network.norms)} norms, the default is {default:g}"
        )
        variances = [
            float(network.norms[name].running_var.min())  # type: ignore[operator]
            for name in names
            if name in network.tracking_norms
        ]
        if variances and network.steps:
            evidence += f"; the smallest running variance is {min(variances):.2g}"
        yield Finding("eps is not the default", evidence, "warning", name_some(names))

"""An eps that is not the default."""

from __future__ import annotations

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

DEFAULT = 1e-5
"""PyTorch's, for batch, group and layer norm."""


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields each eps that the config changes."""
    for norm in setup.norms:
        eps, field = getattr(norm, "eps", None), type(norm).model_fields.get("eps")
        if eps is not None and field is not None and eps != field.default:
            evidence = f"eps {eps:g}, the default of {norm.name} norm is {field.default:g}"
            yield Finding("eps is not the default", evidence, "warning", "model.norm.eps")


def check_network(network: Network) -> Iterator[Finding]:
    """Yields each eps other than PyTorch's, and what it adds to the smallest running variance."""
    by_eps: dict[float, list[str]] = {}
    for name, norm in network.norms.items():
        by_eps.setdefault(float(norm.eps), []).append(name)  # type: ignore[arg-type]
    for eps, names in by_eps.items():
        if eps == DEFAULT:
            continue
        evidence = f"eps {eps:g} in {len(names)} of {len(network.norms)} norms, PyTorch's is 1e-05"
        variances = [
            float(network.norms[name].running_var.min())  # type: ignore[operator]
            for name in names
            if name in network.tracking_norms
        ]
        if variances and network.steps:
            evidence += f"; the smallest running variance is {min(variances):.2g}"
        yield Finding("eps is not the default", evidence, "warning", name_some(names))

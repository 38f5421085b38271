"""The layers of a network by name, as diagnostics choose them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn

from bnexp.diagnostics.config import DiagnosticConfig

ROOT = "root"
"""What the network itself is called, whose path is empty, if it has parameters of its own."""


def find_layers(
    model: nn.Module, patterns: Sequence[str] | None, applies: Callable[[nn.Module], object]
) -> dict[str, nn.Module]:
    """Returns the layers that the figures of a diagnostic apply to, by path, in network order.

    With patterns, it is those of them whose path matches one.
    """
    return {
        name or ROOT: module
        for name, module in model.named_modules()
        if is_chosen(name or ROOT, patterns) and applies(module)
    }


def is_chosen(name: str, patterns: Sequence[str] | None) -> bool:
    """Returns whether a path matches one of the patterns, or there are none."""
    return patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns)


def find_idle(
    diagnostics: Sequence[DiagnosticConfig], model: nn.Module, steps: int
) -> Iterator[str]:
    """Yields why diagnostics measure less than they are asked for.

    A sentence for each that is never due within `steps` steps, and for each pattern that matches
    no layer of the network.
    """
    names = [name or ROOT for name, _ in model.named_modules()]
    for index, diagnostic in enumerate(diagnostics):
        if (diagnostic.every_steps or 0) > steps:
            what = f"{diagnostic.every_steps} is more than the {steps} steps of the training"
            yield f"diagnostics.{index}.every_steps: {what}, so nothing is measured"
        for pattern in diagnostic.layers or ():
            if not any(fnmatchcase(name, pattern) for name in names):
                what = f"no layer of the network is called '{pattern}'"
                yield f"diagnostics.{index}.layers: {what}; it has e.g. {names[-1]}"


def find_trained(module: nn.Module) -> list[Tensor]:
    """Returns the parameters that a layer has itself, not in its children, and that are trained."""
    return [value for value in module.parameters(recurse=False) if value.requires_grad]


def has_trained_weights(module: nn.Module) -> bool:
    """Returns whether a layer, e.g. a convolution, mixes its inputs by weights that are trained."""
    return any(value.dim() > 1 for value in find_trained(module))


def compute_norm(tensors: Iterable[Tensor]) -> Tensor:
    """Returns the Euclidean norm of all values of some tensors together, a tensor of one value."""
    return nn.utils.get_total_norm(list(tensors))


_ACTIVATIONS: tuple[type[nn.Module], ...] = tuple(
    kind
    for name, kind in vars(nn.modules.activation).items()
    if name in nn.modules.activation.__all__
    and not any(word in name for word in ("Softm", "Attention"))  # these mix values
)


def is_activation(module: nn.Module) -> bool:
    """Returns whether a module applies one of PyTorch's activation functions to each value."""
    return isinstance(module, _ACTIVATIONS)


def has_running_statistics(module: nn.Module) -> bool:
    """Returns whether a module has a running variance, as batch norms have.

    Norms that subtract no mean have no running mean.
    """
    return isinstance(getattr(module, "running_var", None), Tensor)


def find_running_mean(norm: nn.Module) -> Tensor | None:
    """Returns a norm's running mean; None if it keeps none, since it subtracts no mean."""
    mean = getattr(norm, "running_mean", None)
    return mean if isinstance(mean, Tensor) else None


def is_norm(module: nn.Module) -> bool:
    """Returns whether a module has running statistics, or a γ: one `weight` per channel."""
    weight = getattr(module, "weight", None)
    has_gamma = isinstance(module, nn.LayerNorm) or (
        isinstance(weight, nn.Parameter) and weight.dim() == 1 and not isinstance(module, nn.PReLU)
    )
    return has_gamma or has_running_statistics(module)

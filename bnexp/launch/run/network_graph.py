"""Reads a network's operations off its forward pass, for a drawing of it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from bnexp.runs.streams.tensorboard_events import GraphNode


def trace_network(model: nn.Module, inputs: Tensor) -> list[GraphNode]:
    """Returns the operations of a network in evaluation mode, nested as its modules are.

    Works on a copy, of which nothing is computed, only the shapes: parameters, buffers,
    mode and random state stay as they are. What torch.export cannot follow raises what
    torch.export raises, of no common kind.
    """
    model = copy.deepcopy(model).cpu().eval()
    with torch.random.fork_rng(devices=[]):
        exported = torch.export.export(model, (inputs.detach().cpu(),))
    signature = exported.graph_signature
    tensors = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    shown = [node for node in exported.graph.nodes if node.users or node.op != "placeholder"]
    names = {node: _name(node, model, tensors) for node in shown}
    return [
        GraphNode(
            name=names[node],
            operation=_operation(node, tensors),
            inputs=tuple(names[parent] for parent in node.all_input_nodes),
            shape=_shape(node),
        )
        for node in shown
    ]


def _name(node: torch.fx.Node, model: nn.Module, tensors: dict[str, str]) -> str:
    if node.name in tensors:
        path, _, own = tensors[node.name].rpartition(".")
    else:
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path, own = (stack[-1][0] if stack else ""), node.name
    return "/".join((*_scopes(path, model), own))


def _scopes(path: str, model: nn.Module) -> list[str]:
    """Returns a box a module on the way there, such as `Sequential[layers]`."""
    parts = path.split(".") if path else []
    ways = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    modules = [type(model.get_submodule(way)).__name__ for way in ways]
    return [f"{kind}[{part}]" for kind, part in zip(modules, parts, strict=True)]


def _operation(node: torch.fx.Node, tensors: dict[str, str]) -> str:
    if node.op == "call_function":
        return str(node.target)
    if node.op == "placeholder":
        return "Parameter" if node.name in tensors else "Input"
    return node.op


def _shape(node: torch.fx.Node) -> tuple[int, ...] | None:
    value: Any = node.meta.get("val")
    return tuple(map(int, value.shape)) if isinstance(value, Tensor) else None

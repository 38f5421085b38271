"""Batch norm over all processes, on accelerators as PyTorch's and on CPUs as well."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn

from bnexp.norms.batch.layer import update_running
from bnexp.norms.formats import statistics_dtype


class SyncBatchNorm(nn.SyncBatchNorm):
    """`torch.nn.SyncBatchNorm` of `(N, C, …)`, which also works between processes on CPUs.

    PyTorch's refuses a CPU tensor if several processes run, so that a training could not
    be tried out there; this computes the same from two sums over the processes.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the input normalized with the statistics of all processes' inputs."""
        if not (self.training and input.device.type == "cpu" and _has_other_processes()):
            outputs: Tensor = super().forward(input)
            return outputs
        outputs = self._normalize(input.to(statistics_dtype(input.dtype)))
        return outputs.to(input.dtype)

    def _normalize(self, values: Tensor) -> Tensor:
        dims = [dim for dim in range(values.dim()) if dim != 1]
        shape = [1, -1, *[1] * (values.dim() - 2)]
        own_count = values.new_tensor([values.numel() / values.shape[1]])
        total = _sum_over_processes(torch.cat((values.sum(dims), own_count)))
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = values - mean.view(shape)
        variance = _sum_over_processes(centred.square().sum(dims)) / count
        update_running(self, mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps).view(shape)
        if not self.affine:
            return centred * scale
        return torch.addcmul(self.bias.view(shape), centred, scale * self.weight.view(shape))


def _has_other_processes() -> bool:
    is_ready = distributed.is_available() and distributed.is_initialized()
    return is_ready and distributed.get_world_size() > 1


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(values)
    return total


class _SumOverProcesses(torch.autograd.Function):
    """Sums a tensor over all processes; every process's gradient flows back to each."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401 - autograd's context
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total

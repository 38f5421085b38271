"""Layer norm over the channels of each pixel."""

from __future__ import annotations

from torch import Tensor, nn

from bnexp.norms.formats import per_pixel, undo_per_pixel


class LayerChannelsNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm` over the channels of `(N, C, H, W)` or `(N, C)`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the normalized input, in its type and memory format."""
        return undo_per_pixel(super().forward(per_pixel(input)), input)

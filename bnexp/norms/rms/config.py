"""Root mean square normalization: layer norm that subtracts no mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.norms.norm import AffineNormConfig, Dimensions

if TYPE_CHECKING:
    from torch import nn


class RmsNormConfig(AffineNormConfig):
    """Divides each pixel of each image by its root mean square over the channels.

    Formula: y = γ · x / √(ν² + eps) + β, where ν² is the mean of x² over the channels of a pixel.
    It is `torch.nn.RMSNorm(C)` with the channels last, plus β. The paper has no feature maps; in
    convolutional networks the field normalizes each pixel, e.g. timm's `RmsNorm2d` and the pixel
    norm of generators (Karras et al. 2018).

    Training: ν² of the pixel over C.

    Evaluation: as in training.

    Shapes: (N, C, H, W) or (N, C), kept; more than one channel, since x / √x² is the sign of x.

    Parameters: γ and β, 2·C. β is the paper's bias b, which follows the norm and which the
    convolution then lacks; PyTorch's layer has none (`bias: false`).

    Variance: none; ν² is a mean of squares, divided by C.

    Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", equation 4.
    """

    name: Literal["rms"] = "rms"
    eps: float = Field(default=1e-6, gt=0)
    """Added to the mean of squares; the default is timm's."""
    bias: bool = True
    """Learn β too; false is `torch.nn.RMSNorm`."""

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the layer, which serves both forms."""
        from bnexp.norms.rms.layer import RmsNorm

        return RmsNorm(num_features, **self.settings)

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a pixel would have one value, of which only the sign would be left."""
        return None if shape[0] > 1 else "rms norm would give only signs (1 channel); use more"

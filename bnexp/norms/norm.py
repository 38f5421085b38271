"""The config that every normalization layer has in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bnexp.parts import Part

if TYPE_CHECKING:
    from torch import nn

Dimensions = Literal[1, 2]
"""2 for feature maps `(N, C, H, W)`, 1 for features `(N, C)`, as in BatchNorm2d and BatchNorm1d."""


class NormConfig(Part):
    """Chooses a normalization layer; `build` makes one for a number of features."""

    docstring_headings: ClassVar[tuple[str, ...]] = (
        "Formula",
        "Training",
        "Evaluation",
        "Shapes",
        "Parameters",
        "Variance",
        "Source",
    )

    name: str

    normalizes: ClassVar[bool] = True
    """Whether the layer does anything; a convolution right before it then has no bias.

    Batch and instance norm would subtract that bias; in the others β takes its place.
    """

    averages_biased_variances: ClassVar[bool] = False
    """Whether running statistics average biased deviations or variances; PyTorch's: unbiased."""

    @property
    def settings(self) -> dict[str, Any]:
        """The fields other than `name`, for a layer whose arguments have the same names."""
        return self.model_dump(exclude={"name"})

    @abstractmethod
    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns a layer that keeps its input's shape: `(N, C, H, W)`, or `(N, C)` in 1-d form."""

    def statistics_batch(self, batch_size: int) -> int | None:
        """Returns how many images share statistics in training; None if each has its own."""
        return None

    @property
    def evaluates_images_alone(self) -> bool:
        """Whether evaluation gives an image the same result whatever batch it stands in."""
        return True

    def find_equivalent(self, batch_size: int) -> NormConfig:
        """Returns the norm that gives the same figures in one process at that batch size.

        It is the norm itself by default; `plan` finds cells that train the same network by it.
        """
        return self

    def subtracts_channel_means(self, num_features: int) -> bool:
        """Returns whether training subtracts each channel's own mean, and a bias with it."""
        return False

    def fixes_channel_means(self, num_features: int, batch_size: int) -> bool:
        """Returns whether the mean over space is β in training, whatever image comes in.

        It is if each channel of each image is normalized by itself. Global average pooling
        right after such a layer sees nothing of the image.
        """
        has_own_mean = (self.statistics_batch(batch_size) or 1) == 1
        return has_own_mean and self.subtracts_channel_means(num_features)

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns why the layer cannot train on such inputs, with the fix; None if it can.

        `shape` is `(C, H, W)`, with H = W = 1 in 1-d form; `batch_size` is a batch that it
        would see.
        """
        return None

    def find_warnings(self, batch_size: int, steps: int) -> Iterator[tuple[str, str]]:
        """Yields what is allowed but suspicious: the field to change, and why.

        `batch_size` is the optimiser's batch, `steps` the length of the training.
        """
        yield from ()


class AffineNormConfig(NormConfig):
    """What norms have in common that divide by a standard deviation, then scale and shift."""

    eps: float = Field(default=1e-5, gt=0)
    """Added to the variance; the default is PyTorch's."""
    affine: bool = True
    """Learn γ and β, one of each per channel, from 1 and 0."""

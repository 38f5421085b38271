"""A plain convolutional network, described layer by layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator
from pydantic_core import PydanticCustomError

from bnexp.models.model import ConvolutionalConfig, ImpossibleModelError
from bnexp.models.plans import (
    MOST_CHANNELS,
    Activation,
    LayerPlan,
    NormSite,
    OddKernelSize,
    Placement,
    Plan,
    plan_dropout,
    plan_norm_and_activation,
)
from bnexp.norms import AnyNorm
from bnexp.parts import Part

MOST_COPIES = 256
"""More would take minutes to build."""
_POOLS = {"max": "MaxPool2d", "avg": "AvgPool2d"}


class ConvLayer(Part):
    """A convolution with its norm and activation; unset fields take the model's."""

    conv: int = Field(ge=1, le=MOST_CHANNELS)
    """Output channels."""
    kernel_size: OddKernelSize = 3
    """Height and width of the kernel, odd; the padding keeps the size at stride 1."""
    stride: int = Field(default=1, ge=1)
    """Step of the kernel in pixels."""
    groups: int = Field(default=1, ge=1)
    """Groups of channels that are convolved apart; must divide the channels on both sides. As many
    as input channels make a depthwise convolution."""
    norm: AnyNorm | None = None
    """The norm of this layer; null takes the model's."""
    placement: Placement | None = None
    """The norm's place in this layer; null takes the model's."""
    activation: Activation | None = None
    """The activation of this layer; null takes the model's."""


class PoolLayer(Part):
    """A pooling without overlap."""

    pool: Literal["max", "avg"]
    """Take the maximum or the average of each window."""
    size: int = Field(default=2, ge=2)
    """Height, width and step of the window in pixels."""


class DropoutLayer(Part):
    """Dropout between layers, of single values as in `torch.nn.Dropout`."""

    dropout: float = Field(ge=0, lt=1)
    """Share of the values that training sets to zero; 0 does nothing, and can be swept."""


def _layer_kind(value: Any) -> str | None:  # noqa: ANN401 - any YAML value may stand there
    for kind in ("conv", "pool", "dropout"):
        if (isinstance(value, dict) and kind in value) or hasattr(value, kind):
            return kind
    return None


Layer = Annotated[
    Annotated[ConvLayer, Tag("conv")]
    | Annotated[PoolLayer, Tag("pool")]
    | Annotated[DropoutLayer, Tag("dropout")],
    Discriminator(
        _layer_kind,
        custom_error_type="unknown_layer",
        custom_error_message="a layer is {conv: CHANNELS}, {pool: max} or {dropout: 0.2}",
    ),
]


class PlainCnnConfig(ConvolutionalConfig):
    """What networks of convolutions and poolings in a row have in common."""

    placement: Placement = "before_activation"
    """Where the norm sits: conv-norm-activation, or conv-activation-norm."""
    head: Literal["global_avg_pool", "flatten"] = "global_avg_pool"
    """What stands between the last layer and the linear one: the mean over space, or all of it."""
    bias: bool | Literal["auto"] = "auto"
    """Learn a bias in every convolution (true) or in none (false); auto leaves it out if a norm
    follows at once. Many tutorials have them all, though batch norm subtracts them again."""

    @abstractmethod
    def list_layers(self) -> Sequence[Layer]:
        """Returns the convolutions, poolings and dropouts in order."""

    def count_copies(self) -> int:
        """Returns how many times each convolution stands in a row."""
        return 1

    def plan(self, image_shape: tuple[int, int, int]) -> tuple[Plan, int]:
        """Returns the layers before the last linear one, and the features that they give it.

        Raises:
            ImpossibleModelError: A pooling is larger than what reaches it, or groups do not divide.
        """
        height, width, channels = image_shape
        layers: dict[str, LayerPlan | Plan] = {}
        for name, index, layer in self._list_copies():
            if isinstance(layer, PoolLayer):
                if layer.size > min(height, width):
                    reason = f"a pooling of {layer.size} gets only {width}×{height} pixels"
                    raise ImpossibleModelError(
                        ("layers", index), f"{reason}; remove a pooling or a stride"
                    )
                height, width = height // layer.size, width // layer.size
                layers[name] = LayerPlan(_POOLS[layer.pool], layer.size)
            elif isinstance(layer, DropoutLayer):
                layers[name] = plan_dropout(layer.dropout)
            else:
                height = (height - 1) // layer.stride + 1
                width = (width - 1) // layer.stride + 1
                shape = (layer.conv, height, width)
                layers[name] = self._plan_block(index, layer, channels, shape)
                channels = layer.conv
        is_pooled = self.head == "global_avg_pool"
        pool = LayerPlan("GlobalAveragePool" if is_pooled else "Flatten")
        features = channels if is_pooled else channels * height * width
        return {"layers": layers, "pool": pool, "dropout": self.plan_dropout()}, features

    def norm_follows(self, layer: ConvLayer) -> bool:
        """Returns whether a norm follows the convolution at once, so that its β acts as a bias."""
        is_next = (layer.placement or self.placement) == "before_activation"
        return is_next and (layer.norm or self.norm).normalizes

    def _list_copies(self) -> Iterator[tuple[str, int, Layer]]:
        """Yields each layer with its name and its place in the list; only the first has a stride.

        The first keeps the name that it has without copies, and with it its initial weights.
        """
        for index, layer in enumerate(self.list_layers()):
            yield f"{index}", index, layer
            if isinstance(layer, ConvLayer):
                copied = layer.model_copy(update={"stride": 1})
                for number in range(2, self.count_copies() + 1):
                    yield f"{index}_{number}", index, copied

    def _plan_block(
        self, index: int, layer: ConvLayer, in_channels: int, shape: tuple[int, int, int]
    ) -> Plan:
        site = NormSite(("layers", index), layer.norm or self.norm, shape)
        placement = layer.placement or self.placement
        for channels, side in ((in_channels, "input"), (layer.conv, "output")):
            if channels % layer.groups:
                reason = f"groups: {layer.groups} does not divide the {channels} {side} channels"
                raise ImpossibleModelError(("layers", index), reason)
        sizes = (in_channels, layer.conv, layer.kernel_size, layer.stride)
        bias = not self.norm_follows(layer) if self.bias == "auto" else self.bias
        conv = self.plan_conv(*sizes, bias=bias, groups=layer.groups)
        activation = layer.activation or self.activation
        return {"conv": conv, **plan_norm_and_activation(site, activation, placement)}


class CnnConfig(PlainCnnConfig):
    """Convolutions and poolings in a row, then one linear layer.

    Each convolution is a block: conv-norm-activation (`before_activation`) or
    conv-activation-norm (`after_activation`). By default a convolution has no bias if a norm
    follows at once, since the norm would subtract it.
    """

    name: Literal["cnn"] = "cnn"
    layers: tuple[Layer, ...] = Field(
        default=(
            ConvLayer(conv=16),
            ConvLayer(conv=16),
            PoolLayer(pool="max"),
            ConvLayer(conv=32),
            ConvLayer(conv=32),
            PoolLayer(pool="max"),
            ConvLayer(conv=64),
            ConvLayer(conv=64),
            PoolLayer(pool="max"),
        ),
        min_length=1,
    )
    """Convolutions `{conv: CHANNELS}`, poolings `{pool: max}` and `{dropout: SHARE}` in order."""
    repeat: int = Field(default=1, ge=1, le=MOST_COPIES)
    """How many times each convolution stands in a row, with its norm and activation: an axis of
    depth. Other layers stand once, and only the first of a row has the layer's stride, so that the
    sizes stay: six convolutions at 1, 2 and 4 make nets of depth 6, 12 and 24."""

    @field_validator("layers")
    @classmethod
    def _require_a_convolution(cls, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        if not any(isinstance(layer, ConvLayer) for layer in layers):
            raise PydanticCustomError("no_conv", "needs at least one convolution, {conv: CHANNELS}")
        return layers

    def list_layers(self) -> Sequence[Layer]:
        """Returns `layers`."""
        return self.layers

    def count_copies(self) -> int:
        """Returns `repeat`."""
        return self.repeat

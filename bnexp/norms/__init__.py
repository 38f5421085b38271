"""One file a normalization layer, each with its own config class."""

from typing import TYPE_CHECKING

from bnexp.norms.batch_norm import BatchNormConfig
from bnexp.norms.batch_renorm import BatchRenormConfig
from bnexp.norms.filter_response_norm import FilterResponseNormConfig
from bnexp.norms.group_norm import GroupNormConfig
from bnexp.norms.instance_norm import InstanceNormConfig
from bnexp.norms.layer_norm import LayerNormConfig
from bnexp.norms.no_norm import NoNormConfig
from bnexp.norms.noisy_batch_norm import NoisyBatchNormConfig
from bnexp.norms.norm import Dimensions, NormConfig
from bnexp.norms.sync_batch_norm import SyncBatchNormConfig
from bnexp.parts import load_plugins, named_union

NORMS = (
    NoNormConfig,
    BatchNormConfig,
    LayerNormConfig,
    InstanceNormConfig,
    GroupNormConfig,
    BatchRenormConfig,
    NoisyBatchNormConfig,
    FilterResponseNormConfig,
    SyncBatchNormConfig,
    *load_plugins("bnexp.norms", NormConfig),
)
"""Every normalization layer that a config can name; a new one adds its line here."""

if TYPE_CHECKING:
    AnyNorm = NormConfig
else:
    AnyNorm = named_union(NORMS)

__all__ = [
    "NORMS",
    "AnyNorm",
    "BatchNormConfig",
    "BatchRenormConfig",
    "Dimensions",
    "FilterResponseNormConfig",
    "GroupNormConfig",
    "InstanceNormConfig",
    "LayerNormConfig",
    "NoNormConfig",
    "NoisyBatchNormConfig",
    "NormConfig",
    "SyncBatchNormConfig",
]

"""One file a normalization layer, each with its own config class."""

from typing import TYPE_CHECKING

from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.batch_renorm.config import BatchRenormConfig
from bnexp.norms.filter_response.config import FilterResponseNormConfig
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.instance.config import InstanceNormConfig
from bnexp.norms.layer.config import LayerNormConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.norms.norm import Dimensions, NormConfig
from bnexp.norms.sync_batch.config import SyncBatchNormConfig
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

"""What is written about the norms is complete and up to date."""

import inspect
import re

import pytest

from bnexp.models.layers import ScaledWSConv2d, WSConv2d
from bnexp.norms import NORMS, NormConfig

OWN = [norm for norm in NORMS if norm.__module__.startswith("bnexp.")]


@pytest.mark.parametrize(
    "documented", [*OWN, WSConv2d, ScaledWSConv2d], ids=lambda kind: kind.__name__
)
def test_a_layer_is_documented_in_the_order_of_all_layers(documented):
    positions = [
        re.search(rf"^{topic}: ", inspect.getdoc(documented), re.MULTILINE)
        for topic in NormConfig.docstring_headings
    ]

    assert None not in positions
    starts = [found.start() for found in positions]
    assert starts == sorted(starts)

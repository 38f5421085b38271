"""What is written about the norms is complete and up to date."""

import inspect
import re
from pathlib import Path

import pytest

from bnexp.models.layers import WSConv2d
from bnexp.norms import NORMS, reference
from bnexp.parts import part_name

PAGE = (Path(__file__).parents[3] / "docs" / "norms.md").read_text(encoding="utf-8")
OWN = [norm for norm in NORMS if norm.__module__.startswith("bnexp.")]
TOPICS = ["Formula", "Training", "Evaluation", "Shapes", "Parameters", "Variance", "Source"]


@pytest.mark.parametrize("documented", [*OWN, WSConv2d], ids=lambda kind: kind.__name__)
def test_a_layer_is_documented_in_the_order_of_all_layers(documented):
    positions = [re.search(rf"\b{topic}:", inspect.getdoc(documented)) for topic in TOPICS]

    assert None not in positions
    starts = [found.start() for found in positions]
    assert starts == sorted(starts)


def test_the_table_of_the_page_has_a_row_for_each_norm():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert rows == [part_name(norm) for norm in OWN]


def test_the_page_shows_the_reference_as_it_is():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

    assert code == Path(reference.__file__).read_text(encoding="utf-8")

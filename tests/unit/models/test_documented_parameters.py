"""The figures in docs/models.md are those of the networks as they are built."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import TypeAdapter

from bnexp.models import AnyModel
from bnexp.models.summary import summarize_network

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
ROWS = re.findall(r"^\| `(\{.*?\})` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
IMAGES = (32, 32, 3)


def summarize(fields, norm):
    config = TypeAdapter(AnyModel).validate_python({**fields, "norm": norm})
    with torch.device("meta"):  # counts need no values
        sites = config.find_norm_sites(IMAGES, 10)
        return summarize_network(config.build(IMAGES, 10), sites, IMAGES)


def test_the_page_has_its_table():
    assert len(ROWS) == 24


@pytest.mark.parametrize(("model", "figures"), ROWS, ids=[model for model, _ in ROWS])
def test_a_row_of_the_page_is_what_is_built(model, figures):
    fields = yaml.safe_load(model)
    summary, plain = summarize(fields, "batch"), summarize(fields, "none")

    norms = sum(layer.is_norm for layer in summary.layers)
    counts = (f"{summary.parameters:,}", f"{plain.parameters:,}", str(norms))
    assert figures == " | ".join((*counts, f"{summary.flops / 1e6:,.1f}"))


@pytest.mark.parametrize(
    ("residual", "total", "learned"),
    [
        ("plain", 268_346 + 688, 0),
        ("skipinit", 269_043, 9),
        ("fixup", 268_394, 9 + 39),
    ],
)
def test_what_the_page_says_of_networks_without_norm_is_so(residual, total, learned):
    summary = summarize({"name": "resnet", "residual": residual}, "none")

    numbers = [layer for layer in summary.layers if layer.kind in ("Scale", "Shift")]
    assert summary.parameters == total
    assert sum(layer.parameters for layer in numbers) == learned

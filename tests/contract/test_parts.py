"""What every norm, model, dataset and diagnostic must do, whatever package it comes from."""

import os
import subprocess
import sys
from typing import ClassVar, Literal

import pytest
import torch
from small_models import default_options
from torch import nn

from bnexp.data import DATASETS, DatasetConfig
from bnexp.diagnostics import DIAGNOSTICS
from bnexp.errors import UsageError
from bnexp.models import MODELS, ModelConfig
from bnexp.models.file.trust import trusting_files
from bnexp.norms import NORMS, NormConfig
from bnexp.parts import load_plugins, part_name
from bnexp.training.setup import find_facts

PARTS = [*NORMS, *MODELS, *DATASETS, *DIAGNOSTICS]
STORED = {"cifar10", "cifar100", "fashion_mnist", "image_folder", "mnist"}
"""Datasets that read files, which have tests of their own."""


def named(part):
    return part_name(part)


@pytest.mark.parametrize("part", PARTS, ids=named)
def test_a_part_has_a_name_and_every_field_says_what_it_means(part):
    assert part_name(part)
    assert part.__doc__
    undocumented = [
        key for key, field in part.model_fields.items() if key != "name" and not field.description
    ]
    assert undocumented == []


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_a_model_gives_logits_and_names_its_norm_sites(model):
    if part_name(model) == "timm":
        pytest.importorskip("timm", reason="timm is an optional extra")
    config = model(**default_options(model))
    with trusting_files():
        network = config.build((32, 32, 3), 7)
        sites = config.find_norm_sites((32, 32, 3), 7)

    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    kinds = nn.BatchNorm2d | nn.BatchNorm1d
    norms = [module for module in network.modules() if isinstance(module, kinds)]
    assert len(sites) == len(norms)


@pytest.mark.parametrize("dataset", DATASETS, ids=named)
def test_a_dataset_is_what_it_says_and_the_same_at_each_call(dataset):
    if part_name(dataset) in STORED:
        pytest.skip("it reads files")
    config = dataset()
    first, second = (config.load(lambda line: None) for _ in range(2))

    assert first.name == config.name
    assert find_facts(first) == (config.facts() or find_facts(first))
    assert first.fingerprint == second.fingerprint


def test_no_module_of_a_part_imports_a_heavy_library():
    names = [part.__module__ for part in PARTS]
    code = f"""import importlib, sys
for name in {names}:
    importlib.import_module(name)
    if heavy := {{"torch", "numpy"}} & set(sys.modules):
        sys.exit(f"{{name}} imports {{heavy}}")
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_a_plug_in_that_is_no_config_class_is_named(monkeypatch):
    class Entry:
        name, value = "broken", "pkg:Thing"

        def load(self):
            return object

    monkeypatch.setattr("bnexp.parts.list_entry_points", lambda group: [Entry()])
    load_plugins.cache_clear()
    try:
        with pytest.raises(
            UsageError, match=r"'pkg:Thing' in 'bnexp\.norms' is not a bnexp\.norms"
        ):
            load_plugins("bnexp.norms", NormConfig)
    finally:
        load_plugins.cache_clear()


def put_first(folder):
    """Returns a PYTHONPATH that begins with a folder."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def install(folder, module, entry):
    """Puts a package with one entry point into a folder, as pip would."""
    (folder / "broken_norm.py").write_text(module)
    info = folder / "broken_norm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-norm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bnexp.norms]\nbroken = {entry}\n")


BUILD = "def build(self, num_features, dimensions): ..."
FORM = "the form `build(self, num_features, dimensions)`"


@pytest.mark.parametrize(
    ("base", "methods", "lacks"),
    [
        (NormConfig, "def build(self, num_features): ...", FORM),
        (NormConfig, "def build(self, num_features, dims=2): ...", FORM),
        (NormConfig, "def build(self, num_features, dimensions, extra): ...", FORM),
        (NormConfig, "build = property(lambda self: None)", FORM),
        (NormConfig, "def build(self, **words): ...", None),
        (NormConfig, "def build(self, num_features, dimensions=2, extra=0): ...", None),
        (
            NormConfig,
            f"{BUILD}\n  def statistics_batch(self): ...",
            "the form `statistics_batch(self, batch_size)`",
        ),
        (
            NormConfig,
            f"{BUILD}\n  def evaluates_images_alone(self): ...",
            "`@property` above `evaluates_images_alone`",
        ),
        (NormConfig, f"{BUILD}\n  evaluates_images_alone: ClassVar[bool] = False", None),
        (
            ModelConfig,
            "def norm_sites(self, image_shape): ...\n  def build(self, image_shape): ...",
            "the form `build(self, image_shape, num_classes)`",
        ),
        (DatasetConfig, "def load(self): ...", "the form `load(self, say)`"),
    ],
)
def test_a_method_that_bnexp_could_not_call_is_refused_with_its_form(base, methods, lacks):
    module = f"""class Thing(Base):
  __doc__ = Base.__doc__ + "".join(f"\\n{{one}}: -" for one in Base.docstring_headings)
  name: Literal["thing"] = "thing"
  {methods}
"""
    names = {"Base": base, "Literal": Literal, "ClassVar": ClassVar, "__name__": "typed"}

    if lacks is None:
        exec(module, names)
        return
    with pytest.raises(UsageError) as caught:
        exec(module, names)
    assert str(caught.value) == f"the class typed.Thing lacks {lacks}"


COPY_OF_BATCH = """
from typing import Literal
from bnexp.norms.none.config import NoNormConfig
class CopyConfig(NoNormConfig):
    __doc__ = NoNormConfig.__doc__
    name: Literal["batch"] = "batch"
"""


UNDOCUMENTED = """
from typing import Literal
from bnexp.norms import NormConfig
class BareConfig(NormConfig):
    name: Literal["bare"] = "bare"
    def build(self, num_features, dimensions=2): ...
"""


@pytest.mark.parametrize(
    ("module", "entry", "said"),
    [
        ("", "no_such_module:Thing", "cannot be imported"),
        ("1 / 0", "broken_norm:Thing", "cannot be imported"),
        (UNDOCUMENTED, "broken_norm:BareConfig", "broken_norm.BareConfig lacks a docstring"),
        ("Thing = 3", "broken_norm:Thing", "is not a bnexp.norms.norm.NormConfig"),
        (
            COPY_OF_BATCH,
            "broken_norm:CopyConfig",
            "two parts are called 'batch' (`bnexp.norms.batch.config`, `broken_norm`); rename one",
        ),
    ],
    ids=["missing", "raising", "undocumented", "foreign", "of a taken name"],
)
def test_a_broken_plug_in_is_one_line_where_a_config_is_read(
    module, entry, said, tmp_path, started_bnexp
):
    install(tmp_path, module, entry)
    (tmp_path / "c.yaml").write_text("name: study\n")

    done = started_bnexp("plan", "c.yaml", cwd=tmp_path, PYTHONPATH=put_first(tmp_path))

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

"""The JSON schema: it accepts what bnexp accepts, and refuses what an editor can know is wrong."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from bnexp.config.load import load_experiment
from bnexp.config.schema import build_schema, write_schema
from bnexp.config.shipped import list_shipped
from bnexp.config.whole import write_whole
from bnexp.config.yaml.reader import read_yaml
from bnexp.config.yaml.writer import write_yaml

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(json.loads(write_schema()))
SHIPPED = list_shipped()


def find_errors(text):
    """Returns what the schema refuses in a YAML text."""
    plain = json.loads(json.dumps(read_yaml(text, "c.yaml").plain()))
    return [f"{error.json_path}: {error.message}" for error in spread(VALIDATOR.iter_errors(plain))]


def spread(errors):
    """Yields errors with those inside of them, which say why each choice was refused."""
    for error in errors:
        yield error
        yield from spread(error.context)


def find_examples():
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M)
        for index, block in enumerate(blocks):
            # A page on plug-ins uses names that only they have.
            if page.name != "extending.md":
                yield pytest.param(block, id=f"{page.name}-{index}")


def test_it_is_a_schema():
    Draft202012Validator.check_schema(build_schema())


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: one.name)
def test_it_accepts_each_shipped_config(shipped):
    assert find_errors(shipped.path.read_text("utf-8")) == []
    assert find_errors(write_whole(shipped, "copy.yaml")) == []


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: one.name)
def test_it_accepts_each_resolved_config(shipped):
    cells = {run.cell: run for run in load_experiment(shipped.path).runs}
    for run in cells.values():
        assert find_errors(write_yaml(run.config.model_dump(mode="json"))) == []


TIER = "name: x\ndata: shapes\nmodel: {{name: cnn, layers: [{{conv: 4}}]}}\ntiers: {}\n"


@pytest.mark.parametrize("tiers", ["{}", "null", "{a: null}", "{b-2: {train: {epochs: 3}}}"])
def test_it_accepts_tiers(tiers):
    assert find_errors(TIER.format(tiers)) == []


@pytest.mark.parametrize(
    "tiers", ["[a]", "{A: {}}", "{a: {name: b}}", "{a: {epochs: 3}}", "{a: {train: {epoch: 3}}}"]
)
def test_it_refuses_what_is_no_tier(tiers):
    assert find_errors(TIER.format(tiers)) != []


@pytest.mark.parametrize("example", list(find_examples()))
def test_it_accepts_each_example_in_the_docs(example):
    is_part = not re.search("^(name|extends):", example, re.MULTILINE)

    assert find_errors("extends: base.yaml\n" * is_part + example) == []


WHOLE = "name: a\ndata: shapes\nmodel: cnn\n"


@pytest.mark.parametrize(
    "text",
    [
        "extends: [a.yaml, b.yaml]\nmodel: {depth: 56}",
        "extends: quickstart\nclaim: {margin: 0.1}",
        WHOLE + "optim: {learning_rate: 1}",
        WHOLE + "optim: adamw",
        WHOLE + "sweep: null\nclaim: null",
        WHOLE + "sweep: {grid: {model: {norm: {name: [none, batch]}, placement: [a]}}}",
        WHOLE + "sweep: {grid: {model.norm: [none, {name: group, num_groups: 2}]}, seeds: [1, 2]}",
        "name: a\nmodel: {norm: none}\nsweep: {grid: {data.name: [shapes], model.name: [mlp]}}",
        "name: a\ndata: shapes\nmodel: {name: cnn, layers: [{conv: 8, norm: none}, {pool: max}]}",
        WHOLE + "train: {checkpoint_every: 500, threads: null}",
    ],
)
def test_it_accepts_every_form(text):
    assert find_errors(text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: a\ndata: shapes", "$: 'model'"),
        ("data: shapes\nmodel: cnn", "$: 'name'"),
        (WHOLE + "modle: cnn", "$: Additional properties"),
        (WHOLE + "train: {epoch: 3}", "$.train: Additional properties"),
        (WHOLE + "train: {epochs: three}", "$.train.epochs: 'three'"),
        (WHOLE + "train: {epochs: 0}", "$.train.epochs: 0"),
        (WHOLE + "optim: sdg", "$.optim: 'sdg'"),
        (WHOLE + "optim: {learning_rate: -1}", "$.optim.learning_rate: -1"),
        (WHOLE + "optim: {name: adamw, nesterov: true}", "$.optim: Additional properties"),
        (WHOLE + "optim: {lr: 1}", "$.optim: Additional properties"),
        ("name: a\ndata: shapes\nmodel: {norm: batch}", "$.model: 'name'"),
        ("name: a\ndata: shapes\nmodel: {name: cnn, norm: btach}", "$.model.norm: 'btach'"),
        ("name: a\ndata: shapes\nmodel: {name: cnn, layers: [{cnov: 8}]}", "$.model.layers[0]"),
        (WHOLE + "sweep: {grid: {model.norm.name: batch}}", "$.sweep.grid"),
        (WHOLE + "sweep: {grid: {norm.name: [batch]}}", "$.sweep.grid: 'norm.name'"),
        (WHOLE + "sweep: {include: [{norm: batch}]}", "$.sweep.include"),
        (WHOLE + "sweep: {seeds: many}", "$.sweep.seeds: 'many'"),
        (WHOLE + "claim: {statement: better}", "$.claim: 'source'"),
        (WHOLE + "claim: [{statement: better}]", "$.claim"),
    ],
)
def test_it_refuses_at_the_place_of_the_mistake(text, place):
    found = find_errors(text)

    assert any(error.startswith(place) for error in found), found


def test_it_explains_each_key():
    def find_unexplained(node, path):
        for key, rule in node.get("properties", {}).items():
            if key != "name" and "description" not in rule:
                yield f"{path}.{key}"

    schema = build_schema()
    parts = {
        "": schema,
        **{name: part for name, part in schema["$defs"].items() if "if" not in part},
    }

    assert [key for name, part in parts.items() for key in find_unexplained(part, name)] == []


def test_it_knows_the_plugins(tmp_path):
    import bnexp.norms

    names = [choice["const"] for choice in build_schema()["$defs"]["any_norm"]["then"]["oneOf"]]

    assert names == [norm.model_fields["name"].default for norm in bnexp.norms.NORMS]

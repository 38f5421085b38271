"""Whatever a config holds, or the file that it extends, an error quotes only a little of it."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import UsageError

HEAD = "name: trial\ndata: {name: cifar10}\nmodel: {name: cnn, layers: [{conv: 8}]}\n"
NORMS = f"{HEAD}sweep: {{grid: {{model.norm.name: [none, batch]}}}}\n"
CLAIM = "direction: higher, margin: 0.1, statement: a, source: b, control: {model.norm.name: none}"
LONG = "xqz" * 340
MOST = 60
"""Characters of one text that a message may show."""

CONFIGS = {
    "a password file": "root:x:0:0:root:/root:/bin/bash\n" * 30,
    "a list": f"[{LONG}]",
    "text": LONG,
    "a key": f"{HEAD}{LONG}: 1\n",
    "a key too long for YAML": f"{HEAD}{LONG * 10}: 1\n",
    "a key twice": f"{HEAD}{LONG}: 1\n{LONG}: 2\n",
    "a key within": HEAD.replace("conv: 8", f"{LONG}: 8"),
    "a list as a key": f"{HEAD}? [{LONG}]\n: 1\n",
    "a name": HEAD.replace("trial", LONG),
    "a choice": HEAD.replace("cnn", LONG),
    "a number": HEAD.replace("8", LONG),
    "a number too large": HEAD.replace("8", "7" * 1000),
    "a number with a zero before it": HEAD.replace("8", "0" + "7" * 1000),
    "an alias": f"{HEAD}x: *{LONG}\n",
    "an anchor": f"{HEAD}x: &{LONG} 1\n",
    "a tag": f"{HEAD}x: !{LONG} 1\n",
    "a tag's handle": f"{HEAD}x: !a{LONG}!b 1\n",
    "a quote": f"{HEAD}x: '{LONG}\n",
    "a bracket": f"{HEAD}x: {{{LONG}\n",
    "a colon": f"{HEAD}{LONG}: {LONG}: {LONG}\n",
    "a tab": f"\t{LONG}",
    "an interval": f"{HEAD}train: {{checkpoint_every: {LONG}}}\n",
    "an interval of nothing": f"{HEAD}train: {{checkpoint_every: {'0' * 900}s}}\n",
    "a device": f"{HEAD}train: {{device: {LONG}}}\n",
    "an optimiser": f"{HEAD}optim: {LONG}\n",
    "seeds": f"{HEAD}sweep: {{seeds: [{LONG}]}}\n",
    "a swept key": f"{HEAD}sweep: {{grid: {{{LONG}: [1, 2]}}}}\n",
    "a swept value": NORMS.replace("none", LONG),
    "a value twice": f"{HEAD}sweep: {{grid: {{data.root: [{LONG}, {LONG}]}}}}\n",
    "a key within a swept one": NORMS.replace("{model", f"{{model.norm.name.{LONG}: [1], model"),
    "a key swept twice": f"{HEAD}sweep: {{grid: {{{LONG}: [1]}}, zip: {{{LONG}: [1]}}}}\n",
    "unequal lists": f"{HEAD}sweep: {{zip: {{{LONG}: [1, 2], model.norm.name: [none]}}}}\n",
    "an excluded key": NORMS.replace("]}}", f"]}}, exclude: [{{{LONG}: 1}}]}}"),
    "an excluded value": NORMS.replace("]}}", f"]}}, exclude: [{{model.norm.name: {LONG}}}]}}"),
    "an included cell": f"{HEAD}sweep: {{include: [{{{LONG}: {LONG}}}]}}\n",
    "a metric": f"{NORMS}claim: {{{CLAIM}, treatment: {{a: 1}}, metric: {LONG}}}\n",
    "a claim's cells": f"{NORMS}claim: {{{CLAIM}, treatment: {{model.norm.name: {LONG}}}}}\n",
    "a claim's key": f"{NORMS}claim: {{{CLAIM}, treatment: {{{LONG}: 1}}}}\n",
    "what is extended": f"extends: {LONG}\n",
}


def read_message(path, overrides=()):
    with pytest.raises(UsageError) as caught:
        load_experiment(path, overrides)
    return str(caught.value)


def check(message):
    assert LONG[:MOST] not in message
    assert "7" * MOST not in message
    assert "0" * MOST not in message
    assert "/bin" not in message
    assert len(message) < 1500


@pytest.mark.parametrize("name", CONFIGS)
def test_an_error_quotes_little_of_a_config_or_of_what_it_extends(name, tmp_path):
    (tmp_path / "a.yaml").write_text(CONFIGS[name])
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")

    for file in ("a.yaml", "b.yaml"):
        check(read_message(tmp_path / file).replace(str(tmp_path), ""))


@pytest.mark.parametrize(
    "override",
    [
        f"{LONG}=1",
        f"{LONG}",
        f"={LONG}",
        f"model.norm={LONG}",
        f"model.layers.{LONG}=1",
        f"a={{{LONG}",
        f"a=*{LONG}",
        f"extends={LONG}",
        f"{'a.' * 30}{LONG}=1",
        f"model.norm.name=\ud800{LONG}",
        f"x\u202e{LONG}=1",
    ],
    ids=range(11),
)
def test_an_error_quotes_little_of_an_override(override, tmp_path):
    (tmp_path / "a.yaml").write_text(HEAD)

    check(read_message(tmp_path / "a.yaml", [override]))


@pytest.mark.parametrize(
    "override",
    ["data.api_key=hunter2", f"train.epochs=ghp_{'hunter2' * 4}", "optim=https://me:hunter2@host"],
)
def test_an_error_shows_no_secret(override, tmp_path):
    (tmp_path / "a.yaml").write_text(HEAD)

    message = read_message(tmp_path / "a.yaml", [override])

    assert "hunter2" not in message
    assert "***" in message

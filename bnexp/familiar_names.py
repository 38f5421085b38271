"""What norms, models, optimisers, keys and options are called in PyTorch, Keras, timm and papers.

People bring these names. Spelling distance finds nothing close to `bn` or `lr`, and finds another
method, `batch_renorm`, for `batch_norm`; so the table in `familiar_names.yaml` is asked first.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_NONE = "-"
"""Stands in the table for what bnexp does not have."""


@functools.cache
def _read_table() -> dict[str, list[str]]:
    """Returns the words that each name of ours, with options if it needs any, is known by."""
    import yaml  # rarely needed: only after a mistake

    text = Path(__file__).with_suffix(".yaml").read_text("utf-8")
    table: dict[str, list[str]] = yaml.load(text, yaml.BaseLoader)  # all values are text
    return table


@functools.cache
def _names_by_word() -> dict[str, list[str]]:
    """Returns what each familiar word may stand for, without its case and punctuation."""
    names: dict[str, list[str]] = {}
    for name, words in _read_table().items():
        for word in {*map(_normalize, words), _normalize(name)}:
            names.setdefault(word, []).append(name)
    return names


def _normalize(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def find_ours(word: str, known: Sequence[str]) -> Iterator[str]:
    """Yields the names in `known` that a familiar word stands for, with options if it needs any.

    E.g. `learning_rate` for `lr`, and `resnet with depth: 20` for `ResNet20`.
    """
    for name in _names_by_word().get(_normalize(word), ()):
        if name.partition(" with ")[0] in known:
            yield name


def is_foreign(word: str) -> bool:
    """Returns whether a familiar word stands for something that bnexp does not have."""
    return _NONE in _names_by_word().get(_normalize(word), ())


def has_word(name: str, word: str) -> bool:
    """Returns whether a word is part of a name, whatever their case and punctuation."""
    return _normalize(word) in _normalize(name)


def all_names() -> list[str]:
    """Returns every name of ours in the table, without options."""
    names = (name.partition(" with ")[0] for name in _read_table() if name != _NONE)
    return list(dict.fromkeys(names))

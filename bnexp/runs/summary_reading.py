"""Checks what a summary.json holds, key by key, so that nothing odd gets into a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from bnexp.runs.record import Summary
from bnexp.runs.run_dir import ENDED

_KEYS = tuple(field.name for field in fields(Summary) if field.name != "reason")
_COUNTS = ("epochs", "steps", "peak_memory_bytes", "parameters")
_AMOUNTS = ("elapsed_seconds", "images_per_second")


def check_summary(content: Mapping[str, Any]) -> Summary:
    """Returns the summary that a file's content is.

    Raises:
        ValueError: A key is missing, or its value is of another kind or out of range; the
            message names it.
    """
    if missing := [key for key in _KEYS if key not in content]:
        raise ValueError(f"{missing[0]} is missing")
    found = {"reason": None, **{key: content[key] for key in (*_KEYS, "reason") if key in content}}
    if found["status"] not in ENDED:
        raise ValueError(f"unknown status '{found['status']}'")
    for key in (*_COUNTS, *_AMOUNTS):
        _check_numbers(key, (found[key],))
        _require(key in _AMOUNTS or type(found[key]) is int, key, "a whole number", found[key])
        _require(found[key] >= 0, key, "at least 0", found[key])
    for key in ("final", "best", "history"):
        _require(isinstance(found[key], dict), key, "a JSON object", found[key])
    for key in ("final", "best"):
        _check_numbers(key, found[key].values())
    for tag, values in found["history"].items():
        _require(isinstance(values, list), f"{tag} in history", "a list", values)
        _check_numbers(f"{tag} in history", values)
    found["history"] = {tag: tuple(values) for tag, values in found["history"].items()}
    _require(isinstance(found["reason"], str | None), "reason", "text", found["reason"])
    return Summary(**found)


def _check_numbers(key: str, values: Any) -> None:  # noqa: ANN401 - any JSON
    # Whole lists at once, since thousands of runs have dozens of them.
    try:
        if {*map(type, values)} <= {int, float} and all(map(math.isfinite, values)):
            return
    except OverflowError as error:
        raise ValueError(f"{key} is a number too large") from error
    odd = next(value for value in values if not _is_finite(value))
    _require(False, key, "a finite number", odd)


def _is_finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _require(is_right: bool, key: str, kind: str, value: object) -> None:
    if not is_right:
        text = repr(value)
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise ValueError(f"{key} must be {kind}, not {shown}")

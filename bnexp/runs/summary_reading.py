"""Checks what a summary.json holds, key by key, so that nothing odd gets into a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args

from bnexp.runs.record import Summary

_ENDS = Literal["finished", "diverged"]
_KEYS = tuple(field.name for field in fields(Summary) if field.name != "reason")
_COUNTS = ("epochs", "steps", "peak_memory_bytes", "parameters")
_AMOUNTS = ("elapsed_seconds", "images_per_second")


def check_summary(content: Mapping[str, Any]) -> Summary:
    """Returns the summary that a file's content is.

    Raises:
        ValueError: A key is missing, or its value is of another kind or out of range; the
            message names it.
    """
    for key in _KEYS:
        if key not in content:
            raise ValueError(f"{key} is missing")
    found = {key: content[key] for key in _KEYS}
    if found["status"] not in get_args(_ENDS):
        raise ValueError(f"unknown status '{found['status']}'")
    for key in (*_COUNTS, *_AMOUNTS):
        _check_size(key, found[key], is_count=key in _COUNTS)
    for key in ("final", "best"):
        _check_numbers(key, _mapping(key, found[key]).values())
    history = _mapping("history", found["history"])
    found["history"] = {tag: _sequence(tag, values) for tag, values in history.items()}
    reason = content.get("reason")
    if reason is not None and not isinstance(reason, str):
        raise ValueError(f"reason is no text but {_show(reason)}")
    return Summary(**found, reason=reason)


def _check_size(key: str, value: Any, *, is_count: bool) -> None:  # noqa: ANN401 - any JSON
    _check_numbers(key, (value,))
    if is_count and type(value) is not int:
        raise ValueError(f"{key} is no whole number but {value}")
    if value < 0:
        raise ValueError(f"{key} is below 0: {value}")


def _mapping(key: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        raise ValueError(f"{key} is no JSON object but {_show(value)}")
    return value


def _sequence(tag: str, values: Any) -> tuple[float, ...]:  # noqa: ANN401 - any JSON
    if not isinstance(values, list):
        raise ValueError(f"{tag} in history is no list but {_show(values)}")
    _check_numbers(f"{tag} in history", values)
    return tuple(values)


def _check_numbers(key: str, values: Any) -> None:  # noqa: ANN401 - any JSON
    # Whole lists at once, since thousands of runs have dozens of them.
    try:
        if {*map(type, values)} <= {int, float} and all(map(math.isfinite, values)):
            return
    except OverflowError as error:
        raise ValueError(f"{key} is a number too large") from error
    odd = next(value for value in values if not _is_finite(value))
    raise ValueError(f"{key} is no finite number but {_show(odd)}")


def _is_finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"

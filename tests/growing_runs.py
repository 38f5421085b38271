"""Made-up runs of an experiment that is looked at while it grows."""

import random

from records import build_environment, build_run

from bnexp.config.sweep.looks import planned_looks
from bnexp.runs.record import flatten

LOOKS = planned_looks(3, 20)


def grow(columns, claims, *, looks=LOOKS):
    """Builds runs from {cell: values}, all begun with the same planned looks."""
    plan = {"planned": {"seeds": [*range(looks[-1])], "looks": [*looks], "cells": len(columns)}}
    return [
        build_run(
            f"norm={name}",
            seed,
            value,
            claims=tuple(claims),
            environment=build_environment(seed, **flatten(plan)),
        )
        for name, values in columns.items()
        for seed, value in enumerate(values)
    ]


def pairs(differences):
    source = random.Random(2)
    none = [0.6 + 0.01 * source.gauss(0, 1) for _ in differences]
    return {"none": none, "batch": [a + b for a, b in zip(none, differences, strict=True)]}


CLEAR = [0.05, 0.051, 0.049, 0.0505, 0.0495, 0.05]
UNCLEAR = [0.02, -0.015, 0.01, -0.005, 0.02, -0.018, 0.012, -0.004]

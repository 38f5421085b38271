"""Runs of the toy that diagnostics measure, whole or stopped, and what they leave."""

import contextlib
from dataclasses import replace

import torch
from toy_training import CPU, Notes

from bnexp.training.loop import StoppedError, Training
from bnexp.training.saving.checkpoint import restore, write_tensors
from bnexp.training.saving.progress import CheckpointMetadata
from bnexp.training.setup import build_parts


def train(config, dataset, boundaries=None, saved=None, probes=None, device=CPU):
    """Returns parts, rows, and the last checkpoint, after so many step boundaries.

    Without `probes`, those of the config's diagnostics measure.
    """
    parts, notes, asked = build_parts(config, dataset, device), Notes(), 0
    progress = None
    if saved:
        restore(saved[0], parts.learner.model, parts.learner.optimizer)
        progress = CheckpointMetadata.read(saved[1]).progress

    def should_stop():
        nonlocal asked
        asked += 1
        return boundaries is not None and asked > boundaries

    def save(progress):
        nonlocal saved
        metadata = CheckpointMetadata(fingerprint="f", conditions={}, progress=progress)
        tensors = write_tensors(parts.learner.model, parts.learner.optimizer)
        saved = tensors, metadata.to_bytes()

    if probes is not None:
        parts = replace(parts, probes=tuple(probes))
    with contextlib.suppress(StoppedError):
        Training(config, parts, notes, should_stop, save, progress).run()
    return parts, notes.rows, saved


def rows_with(rows, tag):
    """Returns what rows say of a tag, by step."""
    return {step: scalars[tag] for step, _, scalars in rows if tag in scalars}


def rows_of_diagnostics(rows):
    """Returns step and scalars of the rows that diagnostics made."""
    return [(step, scalars) for step, _, scalars in rows if next(iter(scalars)).startswith("diag/")]


def read_bits(tree):
    if isinstance(tree, torch.Tensor):
        return tree.cpu().numpy().tobytes()
    if isinstance(tree, dict):
        return {key: read_bits(value) for key, value in tree.items()}
    return tree

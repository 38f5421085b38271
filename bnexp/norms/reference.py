"""Batch norm from its definition, in NumPy: the oracle of the tests, and to be read.

Every function takes inputs of any shape and the axis of the channels: 1 for channels first,
-1 for channels last. Statistics are one per channel, over all other axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def compute_statistics(x: Array, channel_axis: int = 1) -> tuple[Array, Array]:
    """Returns each channel's mean and biased variance."""
    values = _values_by_channel(x, channel_axis)
    mean = values.mean(axis=1)
    variance = ((values - mean[:, None]) ** 2).mean(axis=1)
    return mean, variance


def normalize(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array,
    beta: Array,
    eps: float = 1e-5,
    channel_axis: int = 1,
) -> Array:
    """Returns γ · (x − mean) / √(variance + eps) + β.

    With the batch's own statistics this is training, with the running ones evaluation.
    """
    along = _shape_along(x, channel_axis)
    centred = x - mean.reshape(along)
    scale = gamma / np.sqrt(variance + eps)
    return centred * scale.reshape(along) + beta.reshape(along)


def update_running(
    running_mean: Array, running_variance: Array, x: Array, momentum: float, channel_axis: int = 1
) -> tuple[Array, Array]:
    """Returns the running statistics after a batch, of which `momentum` is the weight.

    The running variance takes the batch's unbiased variance, n / (n − 1) times the biased.
    """
    mean, variance = compute_statistics(x, channel_axis)
    n = x.size / len(mean)
    unbiased = variance * n / (n - 1)
    return (
        (1 - momentum) * running_mean + momentum * mean,
        (1 - momentum) * running_variance + momentum * unbiased,
    )


def differentiate(
    dy: Array, x: Array, gamma: Array, eps: float = 1e-5, channel_axis: int = 1
) -> tuple[Array, Array, Array]:
    """Returns the gradients dx, dγ and dβ of training, given that of the output, dy.

    x enters three times: by itself, in the mean, and in the variance. The latter two take
    from dy its mean and its part along x̂.
    """
    along = _shape_along(x, channel_axis)
    mean, variance = compute_statistics(x, channel_axis)
    ones, zeros = np.ones_like(mean), np.zeros_like(mean)
    x_hat = normalize(x, mean, variance, ones, zeros, eps, channel_axis)
    d_beta = _values_by_channel(dy, channel_axis).sum(axis=1)
    d_gamma = _values_by_channel(dy * x_hat, channel_axis).sum(axis=1)
    n = x.size / len(mean)
    within = dy - (d_beta / n).reshape(along) - x_hat * (d_gamma / n).reshape(along)
    dx = (gamma / np.sqrt(variance + eps)).reshape(along) * within
    return dx, d_gamma, d_beta


def _values_by_channel(x: Array, channel_axis: int) -> Array:
    """Returns `(C, n)`: every channel's values in a row."""
    return np.moveaxis(x, channel_axis, 0).reshape(x.shape[channel_axis], -1)


def _shape_along(x: Array, channel_axis: int) -> tuple[int, ...]:
    """Returns the shape that lines one value per channel up with `x`."""
    shape = [1] * x.ndim
    shape[channel_axis] = -1
    return tuple(shape)

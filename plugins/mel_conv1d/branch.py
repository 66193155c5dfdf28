"""Inside the graph: two convolutions over time."""

from __future__ import annotations

from keras import layers

from deephits_keras.encoders.layers import dense
from deephits_keras.types import Tensor

CHANNELS, KERNEL, POOL = (32, 16), 8, 4


def conv1d(log_mel: Tensor, *, mean: float, variance: float, units: int) -> Tensor:
    """The network without its output.

    Args:
        log_mel: `(batch, mel_bands, frames)` in dB.
        mean: Mean of the training split, in dB.
        variance: Variance of the training split, in dB squared.
        units: Size of the embedding.

    Returns:
        `(batch, units)`.
    """
    x = layers.Normalization(axis=None, mean=mean, variance=variance, name="z_score")(log_mel)
    x = layers.Permute((2, 1), name="time_first")(x)
    for number, channels in enumerate(CHANNELS, start=1):
        # Limit kernel and pooling to what a short clip leaves.
        kernel = min(KERNEL, x.shape[1])
        x = layers.Conv1D(channels, kernel, activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling1D(min(POOL, x.shape[1]), name=f"pool{number}")(x)
    x = layers.Flatten(name="flat")(x)
    return dense(units, activation="relu", name="embedding")(x)

"""Inside the graph: convolutional blocks, then two GRUs over time."""

from __future__ import annotations

from keras import layers

from deephits_keras.encoders.layers import dense
from deephits_keras.model.normalization import BatchNormalization
from deephits_keras.types import Tensor

CHANNELS = (30, 60, 60, 60)
POOLING = (2, 3, 4, 4)
DROPOUT = 0.1
STATES = 32


def crnn(log_mel: Tensor, *, mean: float, variance: float, units: int) -> Tensor:
    """Four convolutional blocks, two GRU layers of 32, and a dense layer on the last state.

    Args:
        log_mel: `(batch, mel_bands, frames)` in dB, of any size.
        mean: Mean of the training split, in dB.
        variance: Variance of the training split, in dB squared.
        units: Size of the embedding.

    Returns:
        `(batch, units)`.
    """
    x = layers.Normalization(axis=None, mean=mean, variance=variance, name="z_score")(log_mel)
    x = layers.Permute((2, 1), name="time_first")(x)
    x = layers.Reshape((*x.shape[1:], 1), name="channel")(x)
    for number, (channels, pool) in enumerate(zip(CHANNELS, POOLING, strict=True), start=1):
        x = _block(x, channels, pool, f"block{number}")
    steps, bands, channels = x.shape[1:]
    x = layers.Reshape((steps, bands * channels), name="steps")(x)
    x = layers.GRU(STATES, return_sequences=True, name="gru1")(x)
    x = layers.GRU(STATES, name="gru2")(x)
    return dense(units, activation="relu", name="embedding")(x)


def _block(x: Tensor, channels: int, pool: int, name: str) -> Tensor:
    """A 3 x 3 convolution, batch normalisation, ELU, max pooling, dropout."""
    # No bias: the normalisation would remove it.
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = BatchNormalization(name=f"{name}_norm")(x)
    x = layers.ELU(name=f"{name}_elu")(x)
    # Limit the pooling window to what a short clip or few bands leave.
    window = tuple(min(pool, size) for size in x.shape[1:3])
    x = layers.MaxPooling2D(window, name=f"{name}_pool")(x)
    return layers.Dropout(DROPOUT, name=f"{name}_dropout")(x)

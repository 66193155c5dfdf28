"""Inside the graph: five convolutions with pooling."""

from __future__ import annotations

from keras import layers

from deephits_keras.types import Tensor

BLOCKS = ((64, (2, 4)), (128, (2, 4)), (128, (2, 4)), (128, (3, 5)), (64, (4, 4)))
"""Channels and pooling (bands, frames)."""

MULTIPLE = 16
"""Padding in frames: 1292 are padded to 1296."""


def fcn(log_mel: Tensor, *, mean: float, variance: float) -> Tensor:
    """The network without its output.

    Args:
        log_mel: `(batch, mel_bands, frames)` in dB, of any size.
        mean: Mean of the training split, in dB.
        variance: Variance of the training split, in dB squared.

    Returns:
        `(batch, 64)`.
    """
    x = layers.Normalization(axis=None, mean=mean, variance=variance, name="z_score")(log_mel)
    x = layers.Reshape((*x.shape[1:], 1), name="channel")(x)
    padding = -x.shape[2] % MULTIPLE
    x = layers.ZeroPadding2D(((0, 0), (0, padding)), name="pad")(x)
    x = layers.BatchNormalization(name="norm")(x)
    for number, (channels, pool) in enumerate(BLOCKS, start=1):
        x = layers.Conv2D(channels, 3, padding="same", name=f"block{number}_conv")(x)
        x = layers.BatchNormalization(name=f"block{number}_norm")(x)
        x = layers.ReLU(name=f"block{number}_relu")(x)
        # Limit the pooling window to what a short clip or few bands leave.
        pairs = zip(pool, x.shape[1:3], strict=True)
        window = tuple(min(wanted, size) for wanted, size in pairs)
        x = layers.MaxPooling2D(window, name=f"block{number}_pool")(x)
    # One position at the default size; for other sizes, the mean of all.
    return layers.GlobalAveragePooling2D(name="average")(x)

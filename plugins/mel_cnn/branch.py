"""Inside the graph: the low-level audio branch of Table A1."""

from __future__ import annotations

from typing import Any

from keras import initializers, layers, ops

from deephits_keras.encoders.layers import dense
from deephits_keras.model.normalization import BatchNormalization
from deephits_keras.types import Tensor

STEM_CHANNELS = 8
BLOCK_CHANNELS = (16, 32, 64)
HIDDEN = 128
EMBEDDING = 64


def residual_cnn(
    log_mel: Tensor, *, mean: float, variance: float, any_frames: bool = False
) -> Tensor:
    """The residual CNN: conv stem, three residual blocks, average pooling, two dense layers.

    Args:
        log_mel: `(batch, mel_bands, frames)` in dB, of any size.
        mean: Mean of the training split, in dB.
        variance: Variance of the training split, in dB squared.
        any_frames: Whether `log_mel` may have fewer frames in training than at inference.

    Returns:
        `(batch, 64)`.
    """
    x = layers.Normalization(axis=None, mean=mean, variance=variance, name="z_score")(log_mel)
    if any_frames:
        x = ops.expand_dims(x, axis=-1)
    else:
        x = layers.Reshape((*log_mel.shape[1:], 1), name="channel")(x)
    x = _convolution(STEM_CHANNELS, 5, 2, "stem", use_bias=True)(x)
    x = layers.ReLU(name="stem_relu")(BatchNormalization(name="stem_norm")(x))
    for number, channels in enumerate(BLOCK_CHANNELS, start=1):
        x = _residual_block(x, channels, f"block{number}")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = dense(HIDDEN, activation="relu", name="hidden")(x)
    return dense(EMBEDDING, activation="relu", name="embedding")(x)


def _residual_block(x: Tensor, channels: int, name: str) -> Tensor:
    """Two 3 x 3 convolutions, the first of stride 2, around a projected shortcut."""
    inner = _convolution(channels, 3, 2, f"{name}_conv1")(x)
    inner = layers.ReLU(name=f"{name}_relu1")(BatchNormalization(name=f"{name}_norm1")(inner))
    inner = _convolution(channels, 3, 1, f"{name}_conv2")(inner)
    inner = BatchNormalization(name=f"{name}_norm2")(inner)
    # A 1 x 1 convolution of stride 2, as two layers: the gradient of a single layer corrupts memory
    # in oneDNN on CPUs with AVX-512. Pooling single pixels is the same function, and faster.
    shortcut = layers.MaxPooling2D(pool_size=1, strides=2, name=f"{name}_stride")(x)
    shortcut = layers.Conv2D(
        channels, 1, use_bias=False, kernel_initializer=_he(), name=f"{name}_shortcut"
    )(shortcut)
    shortcut = BatchNormalization(name=f"{name}_shortcut_norm")(shortcut)
    x = layers.Add(name=f"{name}_add")([inner, shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)


def _convolution(channels: int, size: int, stride: int, name: str, use_bias: bool = False) -> Any:
    """A convolution with equal padding on both sides, as in PyTorch (Keras' "same" differs)."""
    convolve = layers.Conv2D(
        channels,
        size,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=use_bias,
        kernel_initializer=_he(),
        name=name,
    )
    if stride == 1:
        return convolve
    pad = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")
    return lambda x: convolve(pad(x))


def _he() -> initializers.Initializer:
    return initializers.HeNormal()

"""Variants of the audio branch, for `benchmarks.tried`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import keras
from deephits_plugins.mel_cnn import branch

from deephits_keras.model.normalization import BatchNormalization


class NormByOps(BatchNormalization):
    """Normalisation as `keras.ops` states it, in training too."""

    call = keras.layers.BatchNormalization.call


class NormByXla(NormByOps):
    """The same, compiled by XLA, this layer alone (TensorFlow)."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As Keras'."""
        import tensorflow as tf

        normalise = partial(super().call, training=training, mask=mask)
        return tf.function(normalise, jit_compile=True)(inputs)


def norm_by_ops() -> None:
    """Normalise by `keras.ops`."""
    branch.BatchNormalization = NormByOps


def norm_by_xla() -> None:
    """Normalise by XLA."""
    branch.BatchNormalization = NormByXla


def channels_first() -> None:
    """Convolve and normalise `(batch, channels, height, width)`."""
    keras.config.set_image_data_format("channels_first")
    branch.BatchNormalization = partial(BatchNormalization, axis=1)
    own = {name: getattr(keras.layers, name) for name in dir(keras.layers)}

    def with_channel_first(shape: tuple[int, ...], name: str) -> keras.layers.Reshape:
        return keras.layers.Reshape((1, *shape[:-1]), name=name)

    branch.layers = SimpleNamespace(**{**own, "Reshape": with_channel_first})


VARIANTS: dict[str, Callable[[], None]] = {
    "norm-by-ops": norm_by_ops,
    "norm-by-xla": norm_by_xla,
    "channels-first": channels_first,
}

"""Inside the graph: Choi's network, and the conversion of its weights of 2016 to Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.errors import UserError
from deephits_keras.types import Tensor

BLOCKS = ((64, (2, 2)), (128, (3, 3)), (128, (4, 4)), (128, (4, 4)))
"""Channels and pooling (bands, frames)."""

PADDING, STATES, TAGS = 37, 32, 50
EPSILON = 1e-3
"""Epsilon of batch normalisation in the Keras version of the weights."""


@keras.saving.register_keras_serializable("deephits")  # type: ignore[untyped-decorator]
def hard_sigmoid_2016(x: Tensor) -> Tensor:
    """clip(0.2 x + 0.5, 0, 1); `hard_sigmoid` of Keras 3 has another slope."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def crnn(mel: Tensor, *, trainable: bool = True) -> tuple[Tensor, dict[str, layers.Layer]]:
    """Map mel decibels to an embedding of size 32.

    Args:
        mel: `(batch, 96, 1366)`.
        trainable: Whether the layers are trained.

    Returns:
        `(batch, 32)`, and the layers with weights, by their names in the published file.
    """
    made: dict[str, layers.Layer] = {}

    def layer(made_layer: layers.Layer) -> layers.Layer:
        made_layer.trainable = trainable
        made[made_layer.name] = made_layer
        return made_layer

    x = layers.Reshape((*mel.shape[1:], 1), name="channel")(mel)
    x = layers.ZeroPadding2D(((0, 0), (PADDING, PADDING)), name="pad")(x)
    # Normalised over time, as published: one mean and variance per frame, 1440 in all.
    x = layer(layers.BatchNormalization(axis=2, epsilon=EPSILON, name="bn_0_freq"))(x)
    for number, (channels, pool) in enumerate(BLOCKS, start=1):
        x = layer(layers.Conv2D(channels, 3, padding="same", name=f"conv{number}"))(x)
        x = layer(layers.BatchNormalization(epsilon=EPSILON, name=f"bn{number}"))(x)
        x = layers.ELU(name=f"elu{number}")(x)
        x = layers.MaxPooling2D(pool, name=f"pool{number}")(x)
        x = layers.Dropout(0.1, name=f"dropout{number}")(x)
    x = layers.Permute((2, 1, 3), name="time_first")(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="steps")(x)
    for number, sequences in ((1, True), (2, False)):
        gru = layers.GRU(
            STATES,
            return_sequences=sequences,
            reset_after=False,
            recurrent_activation=hard_sigmoid_2016,
            name=f"gru{number}",
        )
        x = layer(gru)(x)
    return layers.Dropout(0.3, name="embedding_dropout")(x), made


def tagger(weights: str) -> keras.Model:
    """The whole published network, from `(batch, 96, 1366)` to the scores of 50 tags, 0-1.

    Args:
        weights: The published file.

    Raises:
        UserError: if it is missing or not that file.
    """
    mel = keras.Input((96, 1366), name="mel")
    embedding, made = crnn(mel)
    output = layers.Dense(TAGS, activation="sigmoid", name="output")
    tags = output(embedding)
    load({**made, "output": output}, weights)
    return keras.Model(mel, tags)


def load(made: Mapping[str, layers.Layer], path: str) -> None:
    """Load the published weights into layers.

    Convolution kernels are stored in Theano's order (output, input, height, width), not flipped;
    `running_std` is a variance; GRU gates are separate arrays, which Keras 3 concatenates in the
    order z, r, h.

    Args:
        made: Layers by name in the file.
        path: The file.

    Raises:
        UserError: if it is missing or not that file; the message says where to get it.
    """
    import h5py

    if not Path(path).is_file():
        raise UserError(
            f"There is no file {path}: get music_tagger_crnn_weights_tensorflow.h5 of "
            "github.com/keunwoochoi/music-auto_tagging-keras (MIT)"
        )
    try:
        with h5py.File(path) as file:
            for name, layer in made.items():
                stored = {key.partition("_")[2]: value[()] for key, value in file[name].items()}
                layer.set_weights(_converted(name, stored))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} is not Choi's CRNN: {error}") from error


def _converted(name: str, stored: Mapping[str, Any]) -> list[Any]:
    def part(ending: str) -> Any:
        (value,) = [v for key, v in stored.items() if ending in f"_{key}"]
        return value

    if name.startswith("bn"):
        return [part(f"_{n}") for n in ("gamma", "beta", "running_mean", "running_std")]
    if name.startswith("gru"):
        return [np.concatenate([part(f"_{n}_{g}") for g in "zrh"], axis=-1) for n in "WUb"]
    kernel = part("_W")
    if kernel.ndim == 4:
        kernel = kernel.transpose(2, 3, 1, 0)
    return [kernel, part("_b")]

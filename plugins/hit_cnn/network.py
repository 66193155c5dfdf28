"""Inside the graph: the convolutions, the whole published network, and its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers, ops

from deephits_keras.encoders.published import read_checkpoint
from deephits_keras.errors import UserError
from deephits_keras.types import Tensor

SLOPE, DROPOUT = 0.1, 0.25
"""Slope of the activation relu(x) - 0.1 relu(-x), and the dropout rate."""

TAGS, TAG_SHARE = 50, 0.5
CHECKPOINT = "model.ckpt"


def branch(
    mel: Tensor, *, inception: bool = False, pooling: str = "mean", trainable: bool = True
) -> tuple[Tensor, list[layers.Layer]]:
    """Map mel powers to an embedding of size 256.

    Args:
        mel: `(batch, 128, 323)`.
        inception: Whether kernels of three sizes are used over the bands.
        pooling: `mean`, or `attention`: a softmax over time of one score per time step.
        trainable: Whether the convolutions are trained.

    Returns:
        `(batch, 256)`, and the four convolutions from the first to the last.
    """
    places, made = _places(mel, inception, trainable)
    x = layers.Reshape((places.shape[2], places.shape[3]), name="places")(places)
    if pooling == "mean":
        return layers.GlobalAveragePooling1D(name="time_mean")(x), made
    weights = layers.Dense(1, name="attention")(x)
    weights = layers.Softmax(axis=1, name="attention_share")(weights)
    x = layers.Dot(axes=1, name="highlights")([weights, x])
    return layers.Flatten(name="time_weighted")(x), made


def _places(mel: Tensor, inception: bool, trainable: bool) -> tuple[Tensor, list[layers.Layer]]:
    x = layers.Reshape((*mel.shape[1:], 1), name="channel")(mel)
    if inception:
        x, first = _inception(x, trainable)
    else:
        first = _convolution(32, (128, 4), "conv1", trainable)
        x = first(x)
    x = layers.MaxPooling2D((1, 2), name="pool1")(x)
    second = _convolution(64, (1, 4), "conv2", trainable)
    x = layers.MaxPooling2D((1, 2), name="pool2")(second(x))
    third, fourth = (_convolution(256, (1, 1), f"conv{n}", trainable) for n in (3, 4))
    x = third(layers.Dropout(DROPOUT, name="dropout1")(x))
    x = fourth(layers.Dropout(DROPOUT, name="dropout2")(x))
    return layers.Dropout(DROPOUT, name="dropout3")(x), [first, second, third, fourth]


def _inception(x: Tensor, trainable: bool) -> tuple[Tensor, layers.Layer]:
    seen = [_convolution(32, (128, 4), "conv1", trainable)(x)]
    for number, (padding, kernel) in enumerate(((2, (132, 8)), (6, (140, 16))), start=1):
        padded = layers.ZeroPadding2D(padding, name=f"pad{number}")(x)
        seen.append(_convolution(16, kernel, f"wide{number}", trainable)(padded))
    # Each covers all bands; their lengths differ by a frame or two.
    shortest = min(part.shape[2] for part in seen)
    cut = [
        layers.Cropping2D(((0, 0), (0, part.shape[2] - shortest)), name=f"cut{number}")(part)
        for number, part in enumerate(seen)
    ]
    joined = layers.Concatenate(name="kernels")(cut)
    last = _convolution(32, (1, 1), "joined", trainable)
    return last(joined), last


def _convolution(channels: int, kernel: tuple[int, int], name: str, trainable: bool) -> Any:
    return layers.Conv2D(channels, kernel, activation=leaky, name=name, trainable=trainable)


@keras.saving.register_keras_serializable("deephits")  # type: ignore[untyped-decorator]
def leaky(x: Tensor) -> Tensor:
    """relu(x) - 0.1 relu(-x)."""
    return ops.leaky_relu(x, negative_slope=SLOPE)


def hit_network(*, inception: bool = False) -> keras.Model:
    """The whole published network: a score from mel powers and 50 tags of JYnet.

    At inference the output equals that of the authors' code: the network's mean over time plus
    half of the tags' score. (In training the weights are 1 - w and w.) The published score of a
    song is 10^(-1 / output).
    """
    mel, tags = keras.Input((128, 323), name="mel"), keras.Input((TAGS,), name="tags")
    places, _ = _places(mel, inception, trainable=True)
    heard = layers.Conv2D(1, 1, activation=leaky, name="conv5")(places)
    heard = layers.GlobalAveragePooling2D(name="heard")(heard)
    told = tags
    for units, name in ((100, "tag1"), (100, "tag2"), (30, "tag3")):
        told = layers.Dense(units, activation=leaky, name=name)(told)
    told = layers.Dense(1, activation=leaky, name="told")(told)
    half = layers.Rescaling(TAG_SHARE, name="half")(told)
    return keras.Model({"mel": mel, "tags": tags}, layers.Add(name="score")([heard, half]))


VARIABLES = {
    "conv1": "conv2d",
    "conv2": "conv2d_1",
    "conv3": "conv2d_2",
    "conv4": "conv2d_3",
    "conv5": "conv2d_4",
    "tag1": "dense1",
    "tag2": "dense2",
    "tag3": "dense3",
    "told": "logits_tag",
}
"""Names in the checkpoint, by layer."""


def published_weights(folder: str) -> Mapping[str, list[Any]]:
    """Kernel and bias of each layer of `hit_network`, by its name.

    Raises:
        UserError: if the checkpoint is missing or can't be read; the message says where to get it.
    """
    prefix = Path(folder) / CHECKPOINT
    if not prefix.with_name(f"{CHECKPOINT}.index").exists():
        raise UserError(
            f"There is no {CHECKPOINT}.index in {folder}: get ret30.mdl of "
            "github.com/OckhamsRazor/HSP_CNN (Apache-2.0) and unpack it there"
        )
    read = read_checkpoint(str(prefix))
    try:
        return {
            layer: [read[f"{name}/{part}"] for part in ("kernel", "bias")]
            for layer, name in VARIABLES.items()
        }
    except KeyError as error:
        raise UserError(f"{prefix} lacks the variable {error}") from error


def load_branch(convolutions: Sequence[layers.Layer], folder: str) -> None:
    """Load the published weights into the convolutions of `branch`."""
    weights = published_weights(folder)
    for layer in convolutions:
        layer.set_weights(weights[layer.name])

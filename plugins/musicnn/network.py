"""Inside the graph: musicnn's network, from patches of a spectrogram to tags and pooled features.

The names of layers are this package's; `shapes.VARIABLES` has the checkpoint's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from deephits_keras.types import Array, Tensor

from .shapes import (
    BANDS,
    EPSILON,
    FRAMES,
    HIDDEN,
    MIDDLE,
    MIDDLE_FILTERS,
    NORM,
    POOLED,
    RHYTHM,
    RHYTHM_FILTERS,
    TAGS,
    TIMBRE,
    TIMBRE_FILTERS,
    VARIABLES,
)


class Network:
    """The layers of one network, made as it is applied to patches.

    Args:
        trainable: Whether they are trained.
        dtype: Dtype policy of the layers; the global one by default.

    Attributes:
        made: The layers with weights, by name.
    """

    def __init__(self, *, trainable: bool = True, dtype: str | None = None) -> None:
        self.made: dict[str, layers.Layer] = {}
        self._options = {"trainable": trainable, "dtype": dtype}

    def __call__(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the network.

        Args:
            patches: `(rows, 187, 96)`, log10(10000 x + 1) of mel powers.

        Returns:
            Scores of the tags `(rows, 50)`, 0-1, and the means over time of the features of the
            front end and of the three layers after it `(rows, 753)`.
        """
        front = self._front(patches)
        features = layers.Concatenate(name="features", **self._options)(self._middle(front))
        loudest = layers.GlobalMaxPooling1D(name="maximum", **self._options)(features)
        mean = layers.GlobalAveragePooling1D(name="mean", **self._options)(features)
        x = layers.Concatenate(name="pooled", **self._options)([loudest, mean])
        x = layers.Dropout(0.5, name="pooled_dropout", **self._options)(self._norm(x, "pooled"))
        x = self._keep(layers.Dense(HIDDEN, activation="relu", name="hidden", **self._options))(x)
        x = layers.Dropout(0.5, name="hidden_dropout", **self._options)(self._norm(x, "hidden"))
        x = self._keep(layers.Dense(TAGS, name="logits", **self._options))(x)
        return layers.Activation("sigmoid", name="tags", **self._options)(x), mean

    def _front(self, patches: Tensor) -> Tensor:
        x = layers.Reshape((FRAMES, BANDS, 1), name="channel", **self._options)(patches)
        x = self._norm(x, "input")
        padded = layers.ZeroPadding2D(((3, 3), (0, 0)), name="pad", **self._options)(x)
        seen = [
            self._over_bands(padded, name, (7, bands), TIMBRE_FILTERS, "valid")
            for name, bands in TIMBRE.items()
        ]
        seen += [
            self._over_bands(x, name, (frames, 1), RHYTHM_FILTERS, "same")
            for name, frames in RHYTHM.items()
        ]
        return layers.Concatenate(name="front", **self._options)(seen)

    def _over_bands(
        self, x: Tensor, name: str, kernel: tuple[int, int], filters: int, padding: str
    ) -> Tensor:
        """A convolution, ReLU, normalisation, and the maximum over the bands: `(rows, 187, n)`."""
        convolve = layers.Conv2D(
            filters, kernel, padding=padding, activation="relu", name=name, **self._options
        )
        x = self._norm(self._keep(convolve)(x), name)
        bands = x.shape[2]
        x = layers.MaxPooling2D((1, bands), name=f"{name}_maximum", **self._options)(x)
        return layers.Reshape((FRAMES, filters), name=f"{name}_frames", **self._options)(x)

    def _middle(self, front: Tensor) -> list[Tensor]:
        """The front end and the layers after it, from the second on added to the one before."""
        seen = [front]
        for name in MIDDLE:
            convolve = layers.Conv1D(
                MIDDLE_FILTERS, 7, padding="same", activation="relu", name=name, **self._options
            )
            x = self._norm(self._keep(convolve)(seen[-1]), name)
            if len(seen) > 1:
                x = layers.Add(name=f"{name}_add", **self._options)([x, seen[-1]])
            seen.append(x)
        return seen

    def _norm(self, x: Tensor, name: str) -> Tensor:
        layer = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm", **self._options)
        return self._keep(layer)(x)

    def _keep(self, layer: layers.Layer) -> layers.Layer:
        self.made[layer.name] = layer
        return layer

    def load(self, weights: Mapping[str, Array]) -> None:
        """Load the weights of a checkpoint into the layers.

        Args:
            weights: Every weight by its name in the checkpoint.
        """
        for name, layer in self.made.items():
            parts = NORM if name.endswith("_norm") else ("kernel", "bias")
            layer.set_weights(
                [_converted(name, part, weights[f"{VARIABLES[name]}/{part}"]) for part in parts]
            )


def _converted(layer: str, part: str, values: Array) -> Array:
    """A weight as this module's layers have it."""
    if layer in MIDDLE and part == "kernel":
        return values[:, :, 0]
    if layer == "pooled_norm" or (layer == "hidden" and part == "kernel"):
        # The checkpoint has maximum and mean of a feature side by side.
        return values.reshape(POOLED, 2, -1).swapaxes(0, 1).reshape(values.shape)
    return values


def whole(weights: Mapping[str, Array], **options: Any) -> keras.Model:
    """The network as a model from `patches` `(rows, 187, 96)` to tags and pooled `(rows, 803)`.

    Args:
        weights: As in `Network.load`.
        **options: As in `Network`.
    """
    network = Network(**options)
    patches = keras.Input((FRAMES, BANDS), name="patches")
    outputs = layers.Concatenate(name="outputs", dtype=options.get("dtype"))([*network(patches)])
    network.load(weights)
    return keras.Model({"patches": patches}, outputs)

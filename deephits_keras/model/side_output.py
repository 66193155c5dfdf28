"""A model whose training outputs include the embedding before its output layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor

SIDE_OUTPUT = "side_output"
"""Name of the layer."""


@keras.saving.register_keras_serializable("deephits")
class SideOutput(layers.Layer):  # type: ignore[misc]
    """The outputs at inference; in training, the outputs and an embedding side by side.

    Called on `(batch, outputs)` and `(batch, size)`; for losses of embeddings
    (`training.triplet.TripletLoss`).
    """

    def call(self, outputs: Tensor, embedding: Tensor, training: bool | None = None) -> Tensor:
        """`(batch, outputs)`, or `(batch, outputs + size)` in training."""
        if not training:
            return outputs
        return ops.concatenate([outputs, ops.cast(embedding, outputs.dtype)], axis=-1)

    def compute_output_shape(
        self, outputs_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """`(batch, outputs)`."""
        return outputs_shape


def with_embedding(model: keras.Model) -> keras.Model:
    """The model with `SideOutput`; its layers are shared.

    Args:
        model: A model of `build_model`, whose fusion is `one_embedding`.
    """
    side = SideOutput(dtype="float32", name=SIDE_OUTPUT)
    embedding = model.get_layer("output").input
    return keras.Model(model.input, side(model.output, embedding), name=model.name)


def without_embedding(model: keras.Model) -> keras.Model:
    """The model without `SideOutput`, for use after training; its layers are shared."""
    if SIDE_OUTPUT not in {layer.name for layer in model.layers}:
        return model
    outputs, _ = model.get_layer(SIDE_OUTPUT).input
    return keras.Model(model.input, outputs, name=model.name)

"""Layers of the core: what stands in for a missing modality, and weighted averages."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class MissingEmbedding(layers.Layer):  # type: ignore[misc]
    """Put a fixed vector in the place of the embedding of a track that lacks the modality.

    Called on an embedding `(batch, size)` and a presence mask `(batch, 1)` of zeros and ones.

    Args:
        learned: True for a trainable vector (`size` parameters), False for zeros.
    """

    def __init__(self, learned: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.learned = learned

    def build(self, embedding_shape: tuple[int | None, ...], *_: Any) -> None:
        """Create the vector."""
        if self.learned:
            self.vector = self.add_weight(
                shape=(embedding_shape[-1],), initializer="zeros", name="vector"
            )

    def call(self, embedding: Tensor, present: Tensor) -> Tensor:
        """Give `(batch, size)`: the embedding where present, else the vector."""
        present = ops.cast(present, embedding.dtype)
        # A selection, not a product: an embedding that isn't finite must not leak through a mask.
        # JAX takes a variable's value here and not the variable.
        substitute = (
            ops.convert_to_tensor(self.vector) if self.learned else ops.zeros_like(embedding)
        )
        return ops.where(present > 0.5, embedding, substitute)

    def compute_output_shape(
        self, embedding_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """The embedding's shape."""
        return embedding_shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "learned": self.learned}


ABSENT = -1e4
"""Logit of a weight that rounds to zero; float16 still holds it."""


def usable(present: Tensor) -> Tensor:
    """`(batch, modalities)` bool: the modalities that are there, or all if none is."""
    nothing = ops.max(present, axis=1, keepdims=True) < 0.5
    return ops.logical_or(present > 0.5, nothing)


@keras.saving.register_keras_serializable("deephits")
class WeightedScores(layers.Layer):  # type: ignore[misc]
    """Average several predictions with one weight each, over those that are there.

    Called on raw outputs `(batch, modalities, outputs)` and presence `(batch, modalities)`; the
    weights of absent modalities are shared out among the present ones.

    Args:
        classification: True to average class scores (softmax of the outputs) and give their
            logarithm, which are logits again; False to average the outputs themselves.
        weights: A positive weight each, or None to learn them (softmax of trainable numbers).
    """

    def __init__(
        self, classification: bool, weights: list[float] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if weights is not None and not all(0 < weight < float("inf") for weight in weights):
            raise ValueError(f"weights must be finite and above 0. Received: weights={weights}")
        self.classification = classification
        self.given_weights = weights

    def build(self, outputs_shape: tuple[int | None, ...], *_: Any) -> None:
        """Create the weights' logarithms, trainable unless they were given."""
        initializer: Any = "zeros"
        if self.given_weights is not None:
            initializer = keras.initializers.Constant(ops.log(self.given_weights))
        self.log_weights = self.add_weight(
            shape=(outputs_shape[1],),
            initializer=initializer,
            trainable=self.given_weights is None,
            name="log_weights",
        )

    def call(self, outputs: Tensor, present: Tensor) -> Tensor:
        """Give `(batch, outputs)`."""
        # JAX takes a variable's value here and not the variable.
        weights = ops.convert_to_tensor(self.log_weights)
        masked = ops.where(usable(present), weights, ops.full_like(present, ABSENT))
        log_weights = ops.expand_dims(ops.log_softmax(masked, axis=1), -1)
        if self.classification:
            return ops.logsumexp(log_weights + ops.log_softmax(outputs, axis=-1), axis=1)
        return ops.sum(ops.exp(log_weights) * outputs, axis=1)

    def compute_output_shape(
        self, outputs_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """`(batch, outputs)`."""
        return (outputs_shape[0], outputs_shape[2])

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {
            **super().get_config(),
            "classification": self.classification,
            "weights": self.given_weights,
        }


@keras.saving.register_keras_serializable("deephits")
class GatedAverage(layers.Layer):  # type: ignore[misc]
    """Average several vectors unit by unit, over those that are there.

    Called on vectors and the logits of their weights, both `(batch, modalities, size)`, and
    presence `(batch, modalities)`.
    """

    def call(self, vectors: Tensor, gates: Tensor, present: Tensor) -> Tensor:
        """Give `(batch, size)`."""
        there = ops.expand_dims(usable(present), -1)
        masked = ops.where(there, gates, ops.full_like(gates, ABSENT))
        return ops.sum(ops.softmax(masked, axis=1) * vectors, axis=1)

    def compute_output_shape(
        self, vectors_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """`(batch, size)`."""
        return (vectors_shape[0], vectors_shape[2])

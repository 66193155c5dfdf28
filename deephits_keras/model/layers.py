"""Layers of the core: embeddings of missing modalities, and weighted averages."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class MissingEmbedding(layers.Layer):  # type: ignore[misc]
    """Replace the embedding of a track that lacks the modality by a fixed vector.

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
        """`(batch, size)`: the embedding if present, else the vector."""
        present = ops.cast(present, embedding.dtype)
        # Select instead of multiply: NaN or infinity must not leak through a mask.
        # JAX needs the variable's value here.
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


@keras.saving.register_keras_serializable("deephits")  # type: ignore[untyped-decorator]
def tanh_gelu(x: Tensor) -> Tensor:
    """GELU by tanh, within 5e-4 of the exact one, whose `erfc` some export formats lack."""
    return ops.gelu(x, approximate=True)


@keras.saving.register_keras_serializable("deephits")
class Columns(layers.Layer):  # type: ignore[misc]
    """Consecutive columns of a vector.

    Args:
        start: The first column.
        stop: The column after the last.
    """

    def __init__(self, start: int, stop: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start, self.stop = start, stop

    def call(self, vector: Tensor) -> Tensor:
        """`(batch, columns)` to `(batch, stop - start)`."""
        return vector[:, self.start : self.stop]

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, stop - start)`."""
        return (shape[0], self.stop - self.start)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "start": self.start, "stop": self.stop}


ABSENT = -1e4
"""Logit of a weight that rounds to zero, representable in float16."""


def usable(present: Tensor) -> Tensor:
    """`(batch, modalities)` bool: the present modalities, or all if none is present."""
    nothing = ops.max(present, axis=1, keepdims=True) < 0.5
    return ops.logical_or(present > 0.5, nothing)


@keras.saving.register_keras_serializable("deephits")
class WeightedScores(layers.Layer):  # type: ignore[misc]
    """Weighted average of several predictions, over those that are present.

    Called on raw outputs `(batch, modalities, outputs)` and presence `(batch, modalities)`; the
    weights of absent modalities are distributed to the present ones.

    Args:
        classification: True to average class scores (softmax of the outputs) and return their
            logarithms, which are logits; False to average the outputs.
        weights: One positive weight per prediction, or None to learn them (softmax of trainable
            numbers).
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
        """`(batch, outputs)`."""
        # JAX needs the variable's value here.
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
    """Weighted average of several vectors, unit by unit, over those that are present.

    Called on vectors and the logits of their weights, both `(batch, modalities, size)`, and
    presence `(batch, modalities)`.
    """

    def call(self, vectors: Tensor, gates: Tensor, present: Tensor) -> Tensor:
        """`(batch, size)`."""
        there = ops.expand_dims(usable(present), -1)
        masked = ops.where(there, gates, ops.full_like(gates, ABSENT))
        return ops.sum(ops.softmax(masked, axis=1) * vectors, axis=1)

    def compute_output_shape(
        self, vectors_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """`(batch, size)`."""
        return (vectors_shape[0], vectors_shape[2])


@keras.saving.register_keras_serializable("deephits")
class Reconstruction(layers.Layer):  # type: ignore[misc]
    """Pass on a code, and add the reconstruction error to the loss.

    Called on a code, the original and its reconstruction.

    Args:
        weight: Weight of the mean squared error in the loss.
    """

    def __init__(self, weight: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, code: Tensor, original: Tensor, made: Tensor) -> Tensor:
        """Return the code unchanged."""
        # No gradient to the original: it must not move towards its reconstruction.
        distance = ops.square(ops.stop_gradient(original) - made)
        self.add_loss(self.weight * ops.mean(distance))
        return code

    def compute_output_shape(self, shape: tuple[int | None, ...], *_: Any) -> Any:
        """The code's shape."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "weight": self.weight}

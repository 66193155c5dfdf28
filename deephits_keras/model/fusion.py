"""How modalities meet: early fusion (Table A1's head), late and gated fusion, as Keras layers.

A fusion gets one embedding and one presence mask a modality and gives the model's raw outputs.
Add one by subclassing `Fusion` and naming it in `FUSIONS`.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers, ops

from deephits_keras.errors import UserError
from deephits_keras.model.heads import dense, output_layer

Tensor = Any


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


@dataclass(frozen=True)
class Fusion(abc.ABC):
    """A way to combine modalities, configured.

    Attributes:
        name: The name in `FUSIONS`.
        dropout: Share of the embeddings' units dropped in training.
        units: Sizes of the fully connected layers before the output.
        head: The last layer, of `heads.HEADS`.
    """

    name: ClassVar[str]
    dropout: float = 0.5
    units: tuple[int, ...] = (64,)
    head: str = "softmax"

    @abc.abstractmethod
    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Build the head.

        Args:
            embeddings: `(batch, size)` for each modality.
            presence: `(batch, 1)` for each modality, zeros and ones.
            outputs: Number of raw outputs.
            classification: Whether the outputs are logits.

        Returns:
            Raw outputs `(batch, outputs)`, float32 at any precision policy.
        """

    def _hidden(self, x: Tensor, name: str) -> Tensor:
        """The fully connected layers before an output, with ReLU."""
        for number, units in enumerate(self.units, start=1):
            x = dense(units, activation="relu", name=f"{name}_{number}")(x)
        return x

    def to_json(self) -> dict[str, Any]:
        """Name and settings as JSON types; `get_fusion` takes it back."""
        return {"name": self.name, **dataclasses.asdict(self)}


def _concatenate(tensors: list[Tensor], axis: int, name: str) -> Tensor:
    return layers.Concatenate(axis=axis, name=name)(tensors) if len(tensors) > 1 else tensors[0]


@dataclass(frozen=True)
class EarlyFusion(Fusion):
    """Concatenate the embeddings and classify them together (paper, Section 2.2.1, Table A1).

    The settings are those of every `Fusion`.
    """

    name: ClassVar[str] = "early"
    units: tuple[int, ...] = (256, 64)

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Concatenate, drop out, fully connected layers with ReLU, output."""
        del presence
        x = _concatenate(list(embeddings.values()), axis=-1, name="fused")
        x = layers.Dropout(self.dropout, name="fusion_dropout")(x)
        x = self._hidden(x, "fusion")
        return output_layer(self.head, outputs, classification, "output")(x)


@dataclass(frozen=True)
class LateFusion(Fusion):
    """Predict from each modality alone and average the predictions (paper, Section 3.3.1).

    Each modality has fully connected layers and a last layer of its own.

    Attributes:
        weights: `(modality, weight)` pairs, or None to learn the weights.
    """

    name: ClassVar[str] = "late"
    weights: tuple[tuple[str, float], ...] | None = None

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """One head a modality, then the weighted average of what they say."""
        predictions = []
        for modality, embedding in embeddings.items():
            x = layers.Dropout(self.dropout, name=f"fusion_{modality}_dropout")(embedding)
            x = self._hidden(x, f"fusion_{modality}")
            x = output_layer(self.head, outputs, classification, f"fusion_{modality}_output")(x)
            predictions.append(layers.Reshape((1, outputs), name=f"fusion_{modality}_row")(x))
        stacked = _concatenate(predictions, axis=1, name="fusion_rows")
        present = _concatenate(list(presence.values()), axis=-1, name="fusion_present")
        average = WeightedScores(
            classification, self._ordered_weights(list(embeddings)), dtype="float32", name="output"
        )
        return average(stacked, present)

    def _ordered_weights(self, modalities: list[str]) -> list[float] | None:
        if self.weights is None:
            return None
        given = dict(self.weights)
        if set(given) != set(modalities) or min(given.values()) <= 0:
            raise UserError(
                f"Late fusion needs one positive weight for each of {', '.join(modalities)}. "
                f"Received: {', '.join(f'{m}={w:g}' for m, w in given.items())}"
            )
        return [given[modality] for modality in modalities]


@dataclass(frozen=True)
class GatedFusion(Fusion):
    """Let each track decide what its modalities count for (after Arevalo et al. 2017).

    Gated multimodal units: every modality is brought to one size, and each unit of the result is
    a weighted average over the modalities that are there. The weights are a softmax over what all
    embeddings and the presence masks say together.

    Attributes:
        size: Size that every modality is brought to.
    """

    name: ClassVar[str] = "gated"
    size: int = 128

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Bring to one size, weigh, drop out, fully connected layers with ReLU, output."""
        rows = [
            layers.Reshape((1, self.size), name=f"fusion_{modality}_row")(
                dense(self.size, activation="tanh", name=f"fusion_{modality}")(embedding)
            )
            for modality, embedding in embeddings.items()
        ]
        stacked = _concatenate(rows, axis=1, name="fusion_rows")
        present = _concatenate(list(presence.values()), axis=-1, name="fusion_present")
        known = _concatenate([*embeddings.values(), present], axis=-1, name="fusion_known")
        gates = dense(len(rows) * self.size, name="fusion_gates")(known)
        gates = layers.Reshape((len(rows), self.size), name="fusion_gate_rows")(gates)
        x = GatedAverage(name="fused")(stacked, gates, present)
        x = layers.Dropout(self.dropout, name="fusion_dropout")(x)
        x = self._hidden(x, "fusion_hidden")
        return output_layer(self.head, outputs, classification, "output")(x)


FUSIONS: dict[str, type[Fusion]] = {f.name: f for f in (EarlyFusion, LateFusion, GatedFusion)}


def get_fusion(fusion: str | Mapping[str, Any] | Fusion) -> Fusion:
    """A fusion by name, or from its `to_json`.

    Raises:
        UserError: if there is none of that name, or it has no such setting.
    """
    if isinstance(fusion, Fusion):
        return fusion
    settings: dict[str, Any] = {"name": fusion} if isinstance(fusion, str) else dict(fusion)
    name = settings.pop("name", None)
    if not isinstance(name, str) or name not in FUSIONS:
        raise UserError(f"There is no fusion named {name!r}. Fusions: {', '.join(FUSIONS)}")
    for key, value in settings.items():
        if isinstance(value, list):
            settings[key] = tuple(tuple(v) if isinstance(v, list) else v for v in value)
    try:
        return FUSIONS[name](**settings)
    except TypeError as error:
        raise UserError(f"The fusion {name!r} can't be made from {settings}: {error}") from error

"""Output layers for tiers, nominal or ordinal.

Each returns `(batch, tiers)` logarithms of class scores, which are logits, so that decoding, late
fusion, calibration and ensembles work with any of them. Cross-entropy of an ordinal head's output
is the negative log-likelihood of its ordinal regression.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.encoders.layers import dense
from deephits_keras.model.head_names import CORN, CUMULATIVE, PAIRWISE, check_head
from deephits_keras.types import Tensor


class _OrdinalHead(layers.Layer):  # type: ignore[misc]
    """Base class of ordinal heads; called on `(batch, size)`.

    Args:
        tiers: Number of tiers, at least two.
    """

    def __init__(self, tiers: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if tiers < 2:
            raise ValueError(f"An ordinal head needs at least two tiers. Received: tiers={tiers}")
        self.tiers = tiers

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, tiers)`."""
        return (input_shape[0], self.tiers)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "tiers": self.tiers}


@keras.saving.register_keras_serializable("deephits")
class ConditionalTiers(_OrdinalHead):
    """CORN (Shi, Cao and Raschka 2023): conditional probabilities of exceeding each tier.

    Unit k is the logit of P(tier > k | tier >= k); the chain rule gives the class scores.
    `(size + 1) * (tiers - 1)` parameters.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the units."""
        self.beyond = dense(self.tiers - 1, dtype=self.dtype_policy, name="beyond")
        self.beyond.build(input_shape)

    def call(self, x: Tensor) -> Tensor:
        """`(batch, tiers)` logarithms of class scores."""
        return _chained(self.beyond(x))


def _chained(logits: Tensor) -> Tensor:
    """`(batch, tiers - 1)` logits of exceeding each tier once reached, as class scores.

    Returns:
        `(batch, tiers)` logarithms of class scores, by the chain rule.
    """
    nothing = ops.zeros_like(logits[:, :1])
    reached = ops.cumsum(ops.log_sigmoid(logits), axis=1)
    stopped = ops.log_sigmoid(-logits)
    return ops.concatenate([nothing, reached], axis=1) + ops.concatenate([stopped, nothing], axis=1)


@keras.saving.register_keras_serializable("deephits")
class CumulativeTiers(_OrdinalHead):
    """Cumulative link with the logistic function, or proportional odds (McCullagh 1980).

    One number per track, divided by ordered thresholds: P(tier <= k) = sigmoid(threshold k -
    number). `size + tiers - 1` parameters. The thresholds start where every tier is equally likely.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the unit and the thresholds: the lowest, and increments (softplus)."""
        self.popularity = dense(1, use_bias=False, dtype=self.dtype_policy, name="popularity")
        self.popularity.build(input_shape)
        shares = np.arange(1, self.tiers) / self.tiers
        thresholds = np.log(shares / (1 - shares))
        steps = np.log(np.expm1(np.diff(thresholds)))
        self.lowest = self.add_weight(
            shape=(1,), initializer=keras.initializers.Constant(thresholds[:1]), name="lowest"
        )
        self.steps = self.add_weight(
            shape=(self.tiers - 2,), initializer=keras.initializers.Constant(steps), name="steps"
        )

    def call(self, x: Tensor) -> Tensor:
        """`(batch, tiers)` logarithms of class scores."""
        gaps = ops.softplus(self.steps) + keras.backend.epsilon()
        thresholds = ops.concatenate([self.lowest, self.lowest + ops.cumsum(gaps)])
        above = thresholds - self.popularity(x)
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), whose logarithm is
        # finite where both sigmoids round to the same number.
        nothing = ops.zeros_like(above[:, :1])
        below_upper = ops.concatenate([ops.log_sigmoid(above), nothing], axis=1)
        above_lower = ops.concatenate([nothing, ops.log_sigmoid(-above)], axis=1)
        between = ops.expand_dims(ops.log(-ops.expm1(-gaps)), 0) + ops.zeros_like(above[:, 1:])
        return below_upper + above_lower + ops.concatenate([nothing, between, nothing], axis=1)


@keras.saving.register_keras_serializable("deephits")
class PairwiseTiers(_OrdinalHead):
    """Comparison with one reference per tier (after Vötter et al. 2023).

    A network on pairs predicts whether a track is above a reference; the track's tier is that of
    the first reference that it isn't above (dbis-uibk/hit-prediction-code, tag ism2022,
    `models/pairwise.py`). There the references are the mean, or one song, of each tier but the
    highest, and the network is trained on pairs of songs; here the references are trained with
    the network, and its logits are chained as in `ConditionalTiers`.

    Args:
        tiers: Number of tiers.
        units: Sizes of the network's layers.
    """

    def __init__(
        self, tiers: int, units: tuple[int, ...] = (256, 128, 128, 128, 64), **kwargs: Any
    ) -> None:
        super().__init__(tiers, **kwargs)
        self.units = tuple(units)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the references and the network."""
        size = int(input_shape[-1] or 0)
        self.references = self.add_weight(
            shape=(self.tiers - 1, size),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="references",
        )
        policy = self.dtype_policy
        self.network = [
            dense(units, activation="relu", dtype=policy, name=f"compare_{number}")
            for number, units in enumerate(self.units, start=1)
        ]
        self.network.append(dense(1, dtype=policy, name="above"))
        width = 2 * size
        for layer, units in zip(self.network, (*self.units, 1), strict=True):
            layer.build((None, self.tiers - 1, width))
            width = units

    def call(self, x: Tensor) -> Tensor:
        """`(batch, tiers)` logarithms of class scores."""
        # JAX needs the variable's value here.
        reference = ops.expand_dims(ops.convert_to_tensor(self.references), 0)
        track = ops.expand_dims(x, 1) + ops.zeros_like(reference)
        pairs = ops.concatenate([track, reference + ops.zeros_like(track)], axis=-1)
        for layer in self.network:
            pairs = layer(pairs)
        return _chained(ops.reshape(pairs, (-1, self.tiers - 1)))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "units": list(self.units)}


ORDINAL: dict[str, type[layers.Layer]] = {
    CORN: ConditionalTiers,
    CUMULATIVE: CumulativeTiers,
    PAIRWISE: PairwiseTiers,
}


def output_layer(head: str, outputs: int, classification: bool, name: str) -> layers.Layer:
    """The output layer of a model, in float32 at any precision policy.

    Args:
        head: A name in `head_names.HEADS`.
        outputs: Number of raw outputs.
        classification: Whether the outputs are tiers.
        name: Name of the layer.

    Raises:
        UserError: if there is no such head, or it is ordinal and the task a regression.
    """
    check_head(head, classification=classification)
    if head not in ORDINAL:
        return dense(outputs, dtype="float32", name=name)
    return ORDINAL[head](outputs, dtype="float32", name=name)

"""Keras layers of the branch: dense layers and transformer layers with a trainable change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import initializers, layers, ops

from deephits_keras.types import Array, Tensor

EPSILON = 1e-12
"""Of BERT's layer norms."""

Shape = tuple[int | None, ...]
"""Of a tensor; None for the batch."""


@keras.saving.register_keras_serializable("deephits")
class AdaptedDense(layers.Layer):  # type: ignore[misc]
    """A dense layer with fixed weights, to whose kernel a trainable change is added.

    With a rank, the change is the product of two matrices (LoRA: Hu et al. 2021, *LoRA: low-rank
    adaptation of large language models*), of which the second begins with zeros, so that a new
    layer gives what the fixed weights give. With rank 0 it is one matrix, also of zeros. Keras'
    own `enable_lora` isn't used: saving a layer merges its change into the kernel, and both
    matrices of the loaded layer are zeros, which no gradient ever changes. Training couldn't be
    resumed.

    Args:
        units: Number of outputs.
        rank: Rank of the change; 0: any.
        rate: What the change is multiplied by.
        activation: Name of an activation.
        **options: Those of any layer.
    """

    def __init__(
        self,
        units: int,
        rank: int,
        rate: float = 1.0,
        activation: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units, self.rank, self.rate = units, rank, rate
        self.activation = activation

    def build(self, shape: Shape) -> None:
        """Create the weights."""
        inputs = shape[-1]
        self.kernel = self.add_weight(
            shape=(inputs, self.units), initializer="glorot_uniform", trainable=False, name="kernel"
        )
        self.bias = self.add_weight(
            shape=(self.units,), initializer="zeros", trainable=False, name="bias"
        )
        if self.rank:
            self.down = self.add_weight(
                shape=(inputs, self.rank), initializer=initializers.HeUniform(), name="down"
            )
        rows = self.rank or inputs
        self.change = self.add_weight(shape=(rows, self.units), initializer="zeros", name="change")

    def call(self, x: Tensor) -> Tensor:
        """Map `(..., inputs)` to `(..., units)`."""
        if self.rank:
            # Through the narrow middle: the product of both matrices, and its gradient, are as
            # large as the kernel.
            change = ops.matmul(ops.matmul(x, self.down), self.change)
            y = ops.matmul(x, self.kernel) + self.rate * change
        else:
            y = ops.matmul(x, self.kernel + self.rate * self.change)
        return keras.activations.get(self.activation)(y + self.bias)

    def load(self, kernel: Array, bias: Array) -> None:
        """Set the fixed weights, in any shapes of the right sizes."""
        self.kernel.assign(kernel.reshape(self.kernel.shape))
        self.bias.assign(bias.reshape(self.bias.shape))

    def compute_output_shape(self, shape: Shape) -> Shape:
        """The input's, with `units` last."""
        return (*shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "rank": self.rank,
            "rate": self.rate,
            "activation": self.activation,
        }


@keras.saving.register_keras_serializable("deephits")
class AdaptedTransformer(layers.Layer):  # type: ignore[misc]
    """A layer of BERT whose dense layers are `AdaptedDense`; its layer norms are fixed.

    Args:
        heads: Number of attention heads, which divides the hidden size.
        intermediate: Size of the wide dense layer.
        rank: As in `AdaptedDense`.
        rate: As there.
        first_only: Whether the state of the first token alone is computed, as for a pooler.
        **options: Those of any layer.
    """

    def __init__(
        self,
        heads: int,
        intermediate: int,
        rank: int,
        rate: float = 1.0,
        *,
        first_only: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.heads, self.intermediate, self.rank, self.rate = heads, intermediate, rank, rate
        self.first_only = first_only

    def build(self, states_shape: Shape, tokens_shape: Shape) -> None:
        """Create the parts."""
        del tokens_shape
        hidden = int(states_shape[-1] or 0)
        self.query = self._dense("query", hidden, states_shape)
        self.key = self._dense("key", hidden, states_shape)
        self.value = self._dense("value", hidden, states_shape)
        self.attended = self._dense("attended", hidden, states_shape)
        self.attended_norm = self._norm("attended_norm", states_shape)
        self.widen = self._dense("widen", self.intermediate, states_shape)
        self.narrow = self._dense("narrow", hidden, (*states_shape[:-1], self.intermediate))
        self.norm = self._norm("norm", states_shape)

    def _dense(self, name: str, units: int, shape: Shape) -> AdaptedDense:
        layer = AdaptedDense(units, self.rank, self.rate, dtype=self.dtype_policy, name=name)
        layer.build(shape)
        return layer

    def _norm(self, name: str, shape: Shape) -> layers.LayerNormalization:
        layer = layers.LayerNormalization(
            epsilon=EPSILON, dtype=self.dtype_policy, trainable=False, name=name
        )
        layer.build(shape)
        return layer

    def call(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            states: States of the tokens, `(batch, tokens, hidden size)`.
            tokens: Number of tokens that aren't padding, int32 `(batch, 1)`.

        Returns:
            `(batch, tokens, hidden size)`, or with `first_only` `(batch, hidden size)`.
        """
        x = states[:, :1] if self.first_only else states
        # The first token is always attended to: a softmax over nothing would be NaN.
        read = ops.arange(states.shape[1]) < ops.maximum(tokens, 1)
        attended = ops.dot_product_attention(
            self._by_head(self.query(x)),
            self._by_head(self.key(states)),
            self._by_head(self.value(states)),
            mask=read[:, None, None],
        )
        x = self.attended_norm(x + self.attended(ops.reshape(attended, (-1, *x.shape[1:]))))
        wide = keras.activations.gelu(self.widen(x), approximate=True)
        x = self.norm(x + self.narrow(wide))
        return x[:, 0] if self.first_only else x

    def _by_head(self, x: Tensor) -> Tensor:
        """`(batch, tokens, hidden size)` to `(batch, tokens, heads, size of a head)`."""
        return ops.reshape(x, (-1, x.shape[1], self.heads, x.shape[2] // self.heads))

    def load(self, weights: Mapping[str, Array]) -> None:
        """Set the fixed weights to those of KerasHub's `TransformerEncoder`.

        Args:
            weights: By its names.
        """
        for part, name in (
            (self.query, "self_attention_layer/query"),
            (self.key, "self_attention_layer/key"),
            (self.value, "self_attention_layer/value"),
            (self.attended, "self_attention_layer/attention_output"),
            (self.widen, "feedforward_intermediate_dense"),
            (self.narrow, "feedforward_output_dense"),
        ):
            part.load(weights[f"{name}/kernel"], weights[f"{name}/bias"])
        for norm, name in (
            (self.attended_norm, "self_attention_layer_norm"),
            (self.norm, "feedforward_layer_norm"),
        ):
            norm.set_weights([weights[f"{name}/gamma"], weights[f"{name}/beta"]])

    def compute_output_shape(self, states_shape: Shape, tokens_shape: Shape) -> Shape:
        """See `call`."""
        del tokens_shape
        return (states_shape[0], states_shape[-1]) if self.first_only else states_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "heads": self.heads,
            "intermediate": self.intermediate,
            "rank": self.rank,
            "rate": self.rate,
            "first_only": self.first_only,
        }

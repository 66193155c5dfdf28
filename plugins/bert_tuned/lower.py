"""A checkpoint cut in two: its lower layers as a network, the weights of those above them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import keras
import numpy as np
from keras import ops

from deephits_keras.errors import UserError
from deephits_keras.types import Array

from ..bert_lyrics.bert import FrozenBert, load_bert
from .states import TextStates


class LowerLayers(TextStates):
    """The layers of a BERT below the last ones.

    Args:
        bert: The whole BERT.
        left: Number of last layers that are left out.

    Attributes:
        model: The layers, from tokens to states.

    Raises:
        UserError: if it has fewer layers.
    """

    def __init__(self, bert: FrozenBert, left: int) -> None:
        super().__init__(bert.tokenize, bert.max_tokens)
        self.model = keras.Model(bert.backbone.input, states_before(bert, left))

    def compute(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """See the base class."""
        return np.asarray(self.model.predict_on_batch(dict(inputs)), "float32")


@lru_cache(maxsize=1)
def lower_layers(bert: FrozenBert, left: int) -> LowerLayers:
    """`LowerLayers`, made once per process."""
    return LowerLayers(bert, left)


def states_before(bert: FrozenBert, left: int) -> keras.KerasTensor:
    """The tokens' states before the last layers, `(batch, tokens, hidden size)`; 0 for padding.

    Args:
        bert: The BERT.
        left: Number of last layers.

    Raises:
        UserError: if it has fewer layers.
    """
    backbone = bert.backbone
    layers = [backbone.embeddings_dropout, *backbone.transformer_layers]
    if left >= len(layers):
        raise UserError(f"This BERT has {len(layers) - 1} layers. Received: layers={left}")
    states = layers[-1 - left].output
    mask = ops.expand_dims(backbone.input["padding_mask"], -1)
    return states * ops.cast(mask, states.dtype)


@dataclass(frozen=True)
class UpperWeights:
    """The weights of a BERT's last layers.

    Attributes:
        layers: Of each layer from the lowest, by KerasHub's names within the layer, such as
            `self_attention_layer/query/kernel`.
        pooler: `kernel` and `bias`.
    """

    layers: list[dict[str, Array]]
    pooler: dict[str, Array]


def upper_weights(checkpoint: str, layers: int) -> UpperWeights:
    """The weights of the last layers and of the pooler.

    Args:
        checkpoint: The checkpoint.
        layers: Number of layers, at most the checkpoint's.

    Raises:
        UserError: if the checkpoint is missing or can't be used.
    """
    backbone = load_bert(checkpoint).backbone
    upper = backbone.transformer_layers[-layers:]
    return UpperWeights([_by_name(layer) for layer in upper], _by_name(backbone.pooled_dense))


def _by_name(layer: keras.layers.Layer) -> dict[str, Array]:
    """A layer's weights by their paths within it."""
    start = f"{layer.name}/"
    return {
        weight.path.rpartition(start)[2]: ops.convert_to_numpy(weight) for weight in layer.weights
    }

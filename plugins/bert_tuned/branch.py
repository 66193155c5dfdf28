"""Inside the graph: the last layers of BERT with a trainable change, its pooler, dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deephits_keras.types import Tensor

from ..bert_lyrics.branch import lyrics_branch
from ..bert_lyrics.checkpoint import Sizes
from .config import BertTunedConfig
from .layers import AdaptedDense, AdaptedTransformer

if TYPE_CHECKING:
    from .lower import UpperWeights


def branch(
    inputs: Mapping[str, Tensor],
    config: BertTunedConfig,
    sizes: Sizes,
    weights: UpperWeights | None,
) -> Tensor:
    """From states to the embedding.

    Args:
        inputs: The features of `BertTuned.feature_specs`.
        config: The settings.
        sizes: The checkpoint's.
        weights: Its weights to load, for a new model.

    Returns:
        `(batch, units)`.
    """
    x = inputs["states"]
    made = []
    for number in range(config.layers):
        layer = AdaptedTransformer(
            sizes.heads,
            sizes.intermediate,
            config.rank,
            config.rate,
            first_only=number == config.layers - 1,
            name=f"bert_{sizes.layers - config.layers + number + 1}",
        )
        x = layer(x, inputs["tokens"])
        made.append(layer)
    pooler = AdaptedDense(sizes.hidden, config.rank, config.rate, "tanh", name="bert_pooler")
    x = pooler(x)
    if weights is not None:
        for layer, own in zip(made, weights.layers, strict=True):
            layer.load(own)
        pooler.load(**weights.pooler)
    return lyrics_branch(x, config.units)

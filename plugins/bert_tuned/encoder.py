"""`BertTuned`: lyrics through a BERT whose last layers are trained with the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.tracks import Track

from ..bert_lyrics.base import CheckpointEncoder
from .config import BertTunedConfig

if TYPE_CHECKING:
    import keras

    from ..bert_lyrics.bert import FrozenBert
    from .explaining import ExplainableStates


class BertTuned(CheckpointEncoder[BertTunedConfig]):
    """Lyrics through a BERT whose last layers learn from the songs: low-rank adapters.

    Outside the graph: the tokenizer and all layers of BERT but the last ones, whose tokens' states
    are stored in float16, 196 kB per text of 128 tokens at 768-D. Inside: the last layers and the
    pooler with the checkpoint's weights, which stay as they are, and a trainable change to each of
    their kernels, a product of two matrices of rank 8 (LoRA: Hu et al. 2021) or, with `rank` 0, a
    whole matrix; then the two dense layers of `bert_lyrics`. Before the first step the vector of
    [CLS] is the one of `bert_lyrics`, up to the rounding of the states.

    Example:
        >>> {spec.name: spec.shape for spec in BertTuned().feature_specs}
        {'states': (128, 768), 'tokens': (1,)}
    """

    name = "bert_tuned"
    version = "1"
    summary = "BERT whose last layers are trained with the model, by low-rank adapters -> 256-D"
    Config = BertTunedConfig

    def __init__(self, config: BertTunedConfig | None = None) -> None:
        super().__init__(config)
        self._new_model = False

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """`states` `(max_tokens, hidden size)` float16, zeros after the text; `tokens` int32.

        The hidden size is 768 if the checkpoint is missing.

        Raises:
            UserError: if the checkpoint exists and isn't a BERT.
        """
        shape = (self.config.max_tokens, self.sizes.hidden)
        return (
            FeatureSpec("states", shape, "float16", "tokens' states before BERT's last layers"),
            FeatureSpec("tokens", (1,), "int32", "number of tokens, with [CLS] and [SEP]"),
        )

    @property
    def layers_left(self) -> int:
        """See the base class."""
        return self.config.layers

    # === Outside the graph ===

    def features_of(self, texts: Sequence[str]) -> list[Features]:
        """The states; see the base class.

        Raises:
            UserError: also if the checkpoint has fewer layers or positions.
        """
        import numpy as np

        from .onnx_states import load

        config, (spec, _) = self.config, self.feature_specs
        network = load(config.checkpoint, config.layers)
        found: list[Features] = []
        for read in network.states(texts, config.max_tokens, config.batch_size):
            states = np.zeros(spec.shape, spec.dtype)
            states[: len(read)] = read
            found.append({"states": states, "tokens": np.array([len(read)], "int32")})
        return found

    def network(self, bert: FrozenBert) -> keras.Model:
        """See the base class."""
        from .lower import lower_layers

        return lower_layers(bert, self.config.layers).model

    # === Inside the graph ===

    def adapt(self, batches: Iterable[Features]) -> None:
        """Let `build` load the checkpoint's weights; a saved model has its own."""
        del batches
        self._new_model = True

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """Apply the last layers, the pooler and two dense layers: `(batch, units)`.

        Raises:
            UserError: if weights are to be loaded, and the checkpoint is missing or can't be used.
        """
        from .branch import branch

        weights = None
        if self._new_model:
            from .lower import upper_weights

            weights = upper_weights(self.config.checkpoint, self.config.layers)
        return branch(inputs, self.config, self.sizes, weights)

    def explainable(
        self, track: Track, features: Features, branch: keras.Model
    ) -> ExplainableStates:
        """Attribute to word embeddings, with the embedding of `[MASK]` as the baseline."""
        from ..bert_lyrics.bert import load_bert
        from .explaining import ExplainableStates

        del features
        config = self.config
        bert = load_bert(config.checkpoint)
        return ExplainableStates(
            bert, self.text_of(track), config.max_tokens, config.layers, branch
        )

"""`Topics`: topics of lyrics, found without labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.contract import LYRICS, EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features, FeatureSpec, readable_lyrics
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import keras

    from deephits_keras.encoders.explainable import Explainable
    from deephits_keras.types import Array

MOST_TRACKS = 20_000
"""Training texts whose topics are found at most."""


@dataclass(frozen=True)
class TopicsConfig(EncoderConfig):
    """Settings of `Topics`."""

    buckets: int = setting(
        2000, "number of hash buckets; words in the same bucket count as one", changes_features=True
    )
    topics: int = setting(8, "number of topics, the size of the embedding")

    def __post_init__(self) -> None:
        if not 1 <= self.buckets <= 100_000 or not 1 <= self.topics <= 1000:
            raise ValueError(
                "buckets must be from 1 to 100,000 and topics from 1 to 1,000. "
                f"Received: {self.buckets} and {self.topics}"
            )


class Topics(ModalityEncoder[TopicsConfig]):
    """Shares of topics in the lyrics: probabilistic latent semantic analysis.

    After Dhanaraj and Logan (ISMIR 2005). Outside the graph: how often each word occurs, by a hash
    of the word (MurmurHash3). `adapt` finds the topics of the training part's lyrics; inside the
    graph, expectation maximisation finds their shares in a text, which are the embedding.

    A track whose lyrics are None or have no words lacks the modality.

    Example:
        >>> Topics().embedding_size
        8
    """

    name = "topics"
    modality = "topics"
    version = "1"
    summary = "words of the lyrics -> shares of 8 topics of the corpus (Dhanaraj 2005)"
    inputs = (LYRICS,)
    Config = TopicsConfig

    def __init__(self, config: TopicsConfig | None = None) -> None:
        super().__init__(config)
        self._words: Array | None = None

    @property
    def words(self) -> Array:
        """`(topics, buckets)` probability of each word in each topic."""
        import numpy as np

        if self._words is not None:
            return self._words
        shape = (self.config.topics, self.config.buckets)
        return np.full(shape, 1 / self.config.buckets)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `counts`: `(buckets,)` float16, occurrences of each word."""
        return (FeatureSpec("counts", (self.config.buckets,), "float16", "word counts"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.topics

    def extract(self, track: Track) -> Features | None:
        """Count the words of the lyrics; see the base class."""
        from deephits_keras.encoders.words import word_counts

        counts = word_counts(readable_lyrics(track) or "", self.config.buckets)
        return {"counts": counts} if counts.any() else None

    def adapt(self, batches: Iterable[Features]) -> None:
        """Find the topics."""
        from deephits_keras.encoders.thinning import thinned

        from .plsa import fit_words

        counts = thinned((batch["counts"] for batch in batches), MOST_TRACKS)
        if len(counts):
            self._words = fit_words(counts, self.config.topics)

    def learned_columns(self, features: Features) -> Features:
        """The shares by number of the topic."""
        import numpy as np

        from .plsa import shares

        words = self.words
        ones = np.ones((len(words), len(words)))
        found = shares(features["counts"].astype(np.float64), words, words.T, ones)
        return {f"topic_{number}": column for number, column in enumerate(found.T)}

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> Explainable:
        """The counts, with a text of as many words, each as often, as the baseline.

        Shares don't change with a text's length, so zeros would attribute nothing.
        """
        import numpy as np

        from deephits_keras.encoders.explainable import ExplainableFeatures

        del track
        counts = features["counts"].astype(np.float32)
        equal = np.full_like(counts, counts.mean())
        reference = "a text with every word equally often"
        return ExplainableFeatures({"counts": counts}, branch, {"counts": equal}, reference)

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, buckets)` to `(batch, topics)`."""
        from .branch import TopicShares

        layer = TopicShares(self.words.tolist(), dtype="float32", name="shares")
        return layer(inputs["counts"])

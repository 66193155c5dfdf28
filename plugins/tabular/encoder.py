"""`Tabular`: fields of a track for small and medium corpora."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.categories import category_word
from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import (
    POPULARITY,
    Features,
    FeatureSpec,
    FieldFeatures,
    finite_number,
)
from deephits_keras.encoders.inputs import Input
from deephits_keras.fields.standard import DESCRIPTORS, METADATA
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import keras
    import numpy as np

    from .explaining import ExplainableColumns

NUMBERS = (*DESCRIPTORS, *METADATA, "time_signature")
"""The paper's descriptors and metadata, and the time signature."""

CATEGORIES = ("genre", "explicit", "album_type", "language")
LEAST_TRACKS = 10
"""Minimum number of training tracks of a word with an indicator."""

SHRINKAGE, LEAST_OF_MEAN, MOST_MEANS = 30, 3, 1000
"""Of a word's mean popularity: tracks of mean popularity that are added; the fewest tracks of a
word that has one; and the most words per category (more only if several have equally many)."""

MOST_ROWS = 200_000
"""Most training tracks that the quantiles and words are computed from."""

HASHES = 2**31 - 1


@dataclass(frozen=True)
class TabularConfig(EncoderConfig):
    """Settings of `Tabular`."""

    columns: tuple[str, ...] = setting(
        NUMBERS, "numeric columns of the corpus, in this order", changes_features=True
    )
    categories: tuple[str, ...] = setting(
        CATEGORIES, "categorical columns of the corpus, in this order", changes_features=True
    )
    word_popularity: bool = setting(
        False, "also tell each category's word by the mean popularity of its training tracks"
    )

    def __post_init__(self) -> None:
        names = (*self.columns, *self.categories)
        if not self.columns or len(set(names)) != len(names):
            raise ValueError(f"columns and categories must be different names. Received: {names}")
        for name in names:
            Input(name)


class Tabular(ModalityEncoder[TabularConfig]):
    """Named columns by their rank among the training tracks, with flags and categories.

    Outside the graph: the unscaled numbers, NaN where unknown, and a hash of each category's word,
    0 where unknown. A track without any of them lacks the modality.

    Inside: each number's normal score by the quantiles of the training tracks, 0 where unknown,
    with a flag for unknown values; `key` as thirteen indicators, `mode` unchanged; one indicator
    per word of at least ten training tracks, and one for any other word; without other words among
    the training tracks, a word that they don't have counts as unknown. With
    `word_popularity`, one number more per category: how far the mean popularity of the word's
    training tracks (or of those without a word) is from that of all, shrunk as if each word had
    thirty more tracks of mean popularity (Micci-Barreca 2001), in standard deviations over the
    training tracks; 0 for words of fewer than three. The vector is passed to the fusion without a
    layer: the fusion `members` has the layers.

    Example:
        >>> encoder = Tabular(TabularConfig(columns=("tempo",), categories=("genre",)))
        >>> encoder.extract(Track("t", fields={"tempo": 120, "genre": "Pop"}))["numbers"]
        array([120.], dtype=float32)
    """

    name = "tabular"
    modality = "meta"
    version = "1"
    summary = "named columns by rank, with flags for unknown ones, and categories"
    adapts_to_popularity = True
    Config = TabularConfig

    def __init__(self, config: TabularConfig | None = None) -> None:
        super().__init__(config)
        self._quantiles = [[0.0, 0.0]] * len(self.config.columns)
        self._words: list[list[int]] = [[] for _ in self.config.categories]
        self._others = [True] * len(self.config.categories)
        self._means: list[tuple[list[int], list[float]]] = [([], [])] * len(self.config.categories)

    @property
    def _tells_means(self) -> bool:
        return self.config.word_popularity and bool(self.config.categories)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The columns."""
        words = (Input(name, words=True) for name in self.config.categories)
        return (*map(Input, self.config.columns), *words)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """`numbers`: `(columns,)` float32 in the columns' units; `words`: `(categories,)` int32."""
        config = self.config
        specs = [
            FeatureSpec(
                "numbers", (len(config.columns),), "float32", "values in the columns' units"
            )
        ]
        if config.categories:
            shape = (len(config.categories),)
            specs.append(FeatureSpec("words", shape, "int32", "hash of each word, 0 for none"))
        return tuple(specs)

    def extract(self, track: Track) -> Features | None:
        """Read the columns; see the base class."""
        import numpy as np

        numbers = np.array([finite_number(track, c) for c in self.config.columns], np.float32)
        words = np.array([word_of(track.fields.get(c)) for c in self.config.categories], np.int32)
        if np.isnan(numbers).all() and not words.any():
            return None
        return {"numbers": numbers, **({"words": words} if len(words) else {})}

    def extract_fields(
        self, fields: Mapping[str, np.ndarray[Any, Any]], tracks: int
    ) -> FieldFeatures | None:
        """Read the columns of many tracks."""
        import numpy as np

        from deephits_keras.fields.table import codes_of, numbers_of

        config = self.config
        numbers = numbers_of(fields, config.columns, tracks)
        if numbers is None:
            return None
        words = codes_of(fields, config.categories, tracks, word_of)
        unknown = np.isnan(numbers)
        features = {"numbers": numbers, **({"words": words} if config.categories else {})}
        present = np.asarray(~unknown.all(axis=1) | words.any(axis=1))
        missing = {name: unknown[:, place] for place, name in enumerate(config.columns)}
        return FieldFeatures(features, present, missing)

    def missing_parts(self, track: Track, features: Features) -> tuple[str, ...]:
        """The columns without a value."""
        pairs = zip(self.config.columns, features["numbers"], strict=True)
        return tuple(column for column, value in pairs if math.isnan(value))

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute quantiles of the numbers, and find the frequent words.

        Of more than `MOST_ROWS` tracks, from a random sample.
        """
        from deephits_keras.fields.quantiles import fit_quantiles
        from deephits_keras.fields.sampling import RowSample

        names = [spec.name for spec in self.feature_specs]
        names += [POPULARITY] if self._tells_means else []
        sample = RowSample(MOST_ROWS)
        for batch in batches:
            sample.add({name: batch[name] for name in names})
        if rows := sample.rows:
            self._quantiles = fit_quantiles(rows["numbers"]).tolist()
            columns = list(rows["words"].T) if "words" in rows else []
            self._words = [frequent(column) for column in columns]
            self._others = [
                not set(column[column > 0].tolist()) <= set(known)
                for column, known in zip(columns, self._words, strict=True)
            ]
            if self._tells_means:
                self._means = [word_means(column, rows[POPULARITY]) for column in columns]

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, columns)` and `(batch, categories)` to `(batch, vector)`."""
        from .branch import WordPopularity, tabular_vector

        means = None
        if self._tells_means:
            words, values = zip(*self._means, strict=True)
            means = WordPopularity(words, values, name="word_popularity")
        return tabular_vector(
            inputs["numbers"],
            inputs.get("words"),
            self.config.columns,
            self._quantiles,
            self._words,
            self._others,
            means,
        )

    def ablations(self) -> dict[str, dict[str, Any]]:
        """The paper's descriptors, its metadata, and the categories."""
        config, parts = self.config, {"descriptors": DESCRIPTORS, "metadata": METADATA}
        rests = {part: [c for c in config.columns if c not in left] for part, left in parts.items()}
        found: dict[str, dict[str, Any]] = {
            part: {"columns": rest}
            for part, rest in rests.items()
            if 0 < len(rest) < len(config.columns)
        }
        return {**found, **({"categories": {"categories": []}} if config.categories else {})}

    def tabular(self, features: Features) -> Features:
        """The numbers by name, `key` as thirteen indicators."""
        from deephits_keras.fields.columns import named_columns

        return named_columns(features["numbers"], self.config.columns)

    def explainable(
        self, track: Track, features: Features, branch: keras.Model
    ) -> ExplainableColumns:
        """Attribute to the branch's vector, with medians and no categories as the baseline."""
        from .explaining import ExplainableColumns

        words = [category_word(track.fields.get(c)) for c in self.config.categories]
        config = self.config
        return ExplainableColumns(config.columns, config.categories, words, features, branch)

    def browser_half(self) -> BrowserHalf:
        """The numbers and the same hashes of words, in JavaScript."""
        from deephits_keras.encoders.words import SCRIPT

        config = self.config
        settings = {
            "columns": list(config.columns),
            "categories": list(config.categories),
            "hashes": HASHES,
        }
        return BrowserHalf((Path(__file__).parent / "tabular.js", SCRIPT), settings)

    def fields(self) -> dict[str, tuple[str, int]]:
        """The columns and categories."""
        numbers = {column: ("numbers", k) for k, column in enumerate(self.config.columns)}
        words = {column: ("words", k) for k, column in enumerate(self.config.categories)}
        return {**numbers, **words}


def word_of(value: Any) -> int:
    """Hash of a word in lower case, from 1 to 2**31 - 1; 0 for none (MurmurHash3).

    Of a list, the first word is used.
    """
    from deephits_keras.encoders.words import hash_of

    word = category_word(value)
    return hash_of(word.casefold()) % HASHES + 1 if word else 0


def frequent(words: Any) -> list[int]:
    """The words of one category with enough tracks, the most frequent first."""
    import numpy as np

    from .branch import MOST_WORDS

    names, counts = np.unique(words[words > 0], return_counts=True)
    order = np.lexsort((names, -counts))[:MOST_WORDS]
    return [int(names[k]) for k in order if counts[k] >= LEAST_TRACKS]


def word_means(words: Any, popularity: Any) -> tuple[list[int], list[float]]:
    """How popular the tracks of each word of one category are.

    Args:
        words: `(n,)` hashes, 0 for none, which counts as a word: it often tells much.
        popularity: `(n,)` popularity of the tracks.

    Returns:
        The words with enough tracks, `MOST_MEANS` at most; and for each the shrunk mean minus the
        mean of all, in its standard deviations over the tracks.
    """
    import numpy as np

    names, places, counts = np.unique(words, return_inverse=True, return_counts=True)
    popularity = popularity.astype(np.float64)
    deviations = popularity - popularity.mean()
    means = np.bincount(places, deviations) / (counts + SHRINKAGE)
    known = counts >= LEAST_OF_MEAN
    if known.sum() > MOST_MEANS:
        known &= counts >= np.sort(counts[known])[-MOST_MEANS]
    means = np.where(known, means, 0.0)
    spread = float(means[places].std())
    # Rounding, where the words differ in nothing.
    if spread <= 1e-9 * float(popularity.std()):
        return [], []
    return names[known].tolist(), (means[known] / spread).tolist()

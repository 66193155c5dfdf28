"""Inside the graph: numbers and categories of a track -> one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.fields.columns import FLAGS, INDICATORS, PITCH_CLASSES
from deephits_keras.fields.quantiles import QuantileNormal
from deephits_keras.types import Tensor

MOST_WORDS = 31
"""Most words per category with an indicator; one more is for all other words."""

NO_WORD = -1


@keras.saving.register_keras_serializable("deephits")
class FlagsAndIndicators(layers.Layer):  # type: ignore[misc]
    """Indicators and flags of a track's fields.

    Called on `(batch, fields)` float32, NaN where unknown; returns `(batch, size)`: `key` as 13
    indicators, `mode` unchanged, and one flag per field that is 1 if it is unknown.

    Args:
        fields: Names of the fields.
    """

    def __init__(self, fields: Sequence[str], **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.fields = list(fields)

    def call(self, values: Tensor) -> Tensor:
        """Compute the indicators and flags."""
        values = ops.cast(values, "float32")
        unknown = ops.isnan(values)
        parts = [ops.cast(unknown, "float32")]
        for place, field in enumerate(self.fields):
            value, absent = values[:, place : place + 1], unknown[:, place : place + 1]
            if field in FLAGS:
                parts.append(ops.where(absent, ops.zeros_like(value), value))
            if field in INDICATORS:
                undefined = ops.logical_or(absent, value < 0)
                pitch = ops.where(undefined, float(PITCH_CLASSES), ops.round(value))
                indicators = ops.one_hot(ops.cast(pitch[:, 0], "int32"), INDICATORS[field])
                parts.append(ops.cast(indicators, "float32"))
        return ops.concatenate(parts, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, size)`."""
        flags = sum(field in FLAGS for field in self.fields)
        indicators = sum(INDICATORS.get(field, 0) for field in self.fields)
        return (input_shape[0], len(self.fields) + flags + indicators)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return _without_dtype({**super().get_config(), "fields": self.fields})


@keras.saving.register_keras_serializable("deephits")
class KnownWords(layers.Layer):  # type: ignore[misc]
    """Categories as indicators of the words in the training split.

    Called on `(batch, categories)` int32, 0 where unknown; returns `(batch, size)` float32: for
    each category one indicator per known word and one for any other word, which stays 0 where the
    training split had no other words: nothing was learned of it. The size doesn't depend
    on the words, so that a saved model can be checked without its training tracks.

    Args:
        words: Hashes of the known words per category, `MOST_WORDS` at most.
        others: Whether the training split had other words, per category; yes for all if not given.
    """

    def __init__(
        self,
        words: Sequence[Sequence[int]],
        others: Sequence[bool] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.words = [list(map(int, known)) for known in words]
        self.others = [True] * len(self.words) if others is None else list(map(bool, others))

    def call(self, values: Tensor) -> Tensor:
        """Compute the indicators."""
        parts = []
        for place, (known, others) in enumerate(zip(self.words, self.others, strict=True)):
            value = values[:, place : place + 1]
            places = [*known, *[NO_WORD] * (MOST_WORDS - len(known))]
            same = ops.cast(ops.equal(value, np.array([places], np.int32)), "float32")
            named = ops.cast(ops.not_equal(value, 0), "float32")
            other = named - ops.sum(same, axis=1, keepdims=True)
            parts += [same, other if others else ops.zeros_like(other)]
        return ops.concatenate(parts, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, size)`."""
        return (input_shape[0], len(self.words) * (MOST_WORDS + 1))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return _without_dtype({**super().get_config(), "words": self.words, "others": self.others})


@keras.saving.register_keras_serializable("deephits")
class WordPopularity(layers.Layer):  # type: ignore[misc]
    """Each category's word as what its training tracks' popularity was.

    Called on `(batch, categories)` int32, 0 where unknown; returns `(batch, categories)` float32,
    0 for words that aren't among the known ones.

    Args:
        words: Hashes of the known words, per category; 0 may be one of them.
        values: The value of each of them.
    """

    def __init__(
        self, words: Sequence[Sequence[int]], values: Sequence[Sequence[float]], **kwargs: Any
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.words = [list(map(int, known)) for known in words]
        self.values = [list(map(float, own)) for own in values]

    def call(self, values: Tensor) -> Tensor:
        """Look the words up."""
        parts = []
        for place, (known, means) in enumerate(zip(self.words, self.values, strict=True)):
            value = values[:, place : place + 1]
            # One that no word equals, where there is none.
            same = ops.equal(value, np.array([known or [NO_WORD]], np.int32))
            found = ops.where(same, np.array([means or [0.0]], np.float32), np.float32(0))
            parts.append(ops.sum(found, axis=1, keepdims=True))
        return ops.concatenate(parts, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, categories)`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return _without_dtype({**super().get_config(), "words": self.words, "values": self.values})


def _without_dtype(config: dict[str, Any]) -> dict[str, Any]:
    config.pop("dtype", None)
    return config


def tabular_vector(
    numbers: Tensor,
    categories: Tensor | None,
    fields: Sequence[str],
    quantiles: Sequence[Sequence[float]],
    words: Sequence[Sequence[int]],
    others: Sequence[bool],
    popularity: WordPopularity | None,
) -> Tensor:
    """`(batch, fields)` and `(batch, categories)` to `(batch, vector)`."""
    parts = [
        QuantileNormal(quantiles, name="by_rank")(numbers),
        FlagsAndIndicators(fields, name="flags")(numbers),
    ]
    if categories is not None:
        parts.append(KnownWords(words, others, name="known_words")(categories))
        if popularity is not None:
            parts.append(popularity(categories))
    return layers.Concatenate(name="vector")(parts)

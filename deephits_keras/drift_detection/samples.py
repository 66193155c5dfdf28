"""The tracks compared: a run's training tracks, and those of a corpus that aren't among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.dates import years_of
from deephits_keras.corpus.table import Corpus
from deephits_keras.drift_detection.statistics import FEWEST
from deephits_keras.encoders.inputs import inputs_of, names_of
from deephits_keras.errors import UserError
from deephits_keras.features.seen import seen_stores
from deephits_keras.features.store import FeatureStore
from deephits_keras.runs.run import Run
from deephits_keras.types import BoolArray, FloatArray, IntArray

NOT_COMPARED = ("track_id", "popularity")
"""Columns in which two rows of one track may differ: a popularity is of a day."""

DATES = ("release_date",)
"""Columns of dates in ISO form: compared by their years."""


@dataclass(frozen=True)
class Samples:
    """Two samples of tracks.

    Attributes:
        run: The run.
        own: Its corpus.
        corpus: The corpus to compare with its training tracks.
    """

    run: Run
    own: Corpus
    corpus: Corpus

    @property
    def training(self) -> IntArray:
        """Rows of the training tracks in the run's corpus."""
        return np.asarray(self.run.split.parts["train"], dtype=np.int64)

    @cached_property
    def twins(self) -> IntArray:
        """For each track of the corpus the row of the same track in the run's corpus, or -1.

        The same has the same id, and equal values in every column that both corpora have, other
        than the popularity, lists and the paths of files. An id alone may be a row number.
        """
        return np.where(self._equal, self._named, -1)

    @cached_property
    def _named(self) -> IntArray:
        """The row of the track with the same id in the run's corpus, or -1."""
        return pd.Index(self.own.track_ids).get_indexer(pd.Index(self.corpus.track_ids))

    @cached_property
    def _equal(self) -> BoolArray:
        equal = self._named >= 0
        rows = np.flatnonzero(equal)
        left_out = {*NOT_COMPARED, *self.own.files, *self.corpus.files}
        for name in self.own.columns:
            if name in left_out or name not in self.corpus.columns or not len(rows):
                continue
            same = _equal_values(
                self.own.column(name).iloc[self._named[rows]], self.corpus.column(name).iloc[rows]
            )
            equal[rows[~same]] = False
            rows = rows[same]
        return equal

    @cached_property
    def _of_training(self) -> BoolArray:
        training = np.zeros(len(self.own) + 1, bool)
        training[self.training] = True
        return training

    @cached_property
    def compared(self) -> IntArray:
        """Rows of the corpus that are no training tracks of the run."""
        return np.flatnonzero(~self._of_training[self.twins])

    @cached_property
    def scored(self) -> IntArray:
        """Rows of the corpus that aren't in the run's corpus, in any part."""
        return np.flatnonzero(self.twins < 0)

    @property
    def pairs(self) -> tuple[tuple[Corpus, IntArray], tuple[Corpus, IntArray]]:
        """Both samples: the corpus and the rows of each."""
        return (self.own, self.training), (self.corpus, self.compared)

    @property
    def notes(self) -> list[str]:
        """What to know about tracks that both have, one sentence each."""
        total, shared = len(self.corpus), len(self.corpus) - len(self.compared)
        changed = int((self._of_training[self._named] & ~self._equal).sum())
        found = []
        if self.own.fingerprint == self.corpus.fingerprint:
            found.append(
                "This is the run's own corpus: its held-out tracks are compared with its "
                "training tracks."
            )
        elif shared:
            found.append(
                f"{shared:,} of {total:,} tracks are training tracks of the run, which can't "
                "differ from themselves: they are left out."
            )
        for corpus, rows in self.pairs:
            if len(rows) >= FEWEST and np.isnan(known_popularity(corpus, rows)).all():
                found.append(
                    f"The popularity of the tracks in {corpus.folder} counts as unknown: all have "
                    "the same, or none."
                )
        if changed:
            found.append(
                f"{changed:,} tracks have the id of a training track and other values: they are "
                "compared. If they are the same songs, the tests find less than they could."
            )
        return found

    def fields(self) -> list[str]:
        """Fields that the run's encoders read and that training saw."""
        unseen = {name for names in self.run.unseen_columns.values() for name in names}
        read = [
            name
            for encoder in self.run.encoders.values()
            for name in names_of(inputs_of(encoder) or (), "field")
        ]
        either = {*self.own.columns, *self.corpus.columns}
        return [name for name in dict.fromkeys(read) if name in either and name not in unseen]

    def values(self, name: str) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """Values of a field in both samples, missing where unknown."""
        first, second = (_column(corpus, name, rows) for corpus, rows in self.pairs)
        return first, second


def _column(corpus: Corpus, name: str, rows: IntArray) -> pd.Series[Any]:
    if name not in corpus.columns:
        return pd.Series([None] * len(rows), dtype=object)
    values = corpus.column(name).iloc[rows].reset_index(drop=True)
    return years_of(values.astype("string")) if name in DATES else values


def is_list(value: Any) -> bool:
    """Whether a value of a column is a list."""
    return isinstance(value, list | tuple | np.ndarray)


def _equal_values(first: pd.Series[Any], second: pd.Series[Any]) -> BoolArray:
    """Which of two columns' values are equal; unknown ones are."""
    both = [first.reset_index(drop=True), second.reset_index(drop=True)]
    if all(pd.api.types.is_numeric_dtype(each) for each in both):
        before, now = (each.to_numpy(dtype=np.float64, na_value=np.nan) for each in both)
        equal: BoolArray = np.isclose(before, now, equal_nan=True)
        return equal
    if any(each.map(is_list).any() for each in both):
        # Keys of artists, for example, depend on the other rows of their table.
        return np.ones(len(first), bool)
    texts = [each.map(str).where(each.notna(), "") for each in both]
    return (texts[0] == texts[1]).to_numpy(dtype=bool)


def known_popularity(corpus: Corpus, rows: IntArray) -> FloatArray:
    """`(n,)` popularity of some rows, NaN where it is unknown.

    It is unknown too if all of several tracks have the same: an import needs some number.
    """
    if "popularity" not in corpus.columns or not len(rows):
        return np.full(len(rows), np.nan)
    values = corpus.popularity[rows].astype(np.float64)
    return np.full(len(rows), np.nan) if len(rows) > 1 and np.ptp(values) == 0 else values


def extracted(
    samples: Samples,
) -> tuple[dict[str, tuple[FeatureStore, FeatureStore]], list[str]]:
    """The features of both corpora by modality, as the run's model sees them.

    Returns:
        The stores, and a sentence on each modality whose features aren't extracted.

    Raises:
        DeepHitsError: if a file is damaged.
    """
    stores, notes = {}, []
    for modality, encoder in samples.run.encoders.items():
        try:
            own = FeatureStore.open(samples.own, encoder)
            other = seen_stores(samples.corpus, {modality: encoder}, samples.run.unseen_columns)
            stores[modality] = (own, other[modality])
        except UserError as error:
            notes.append(f"{modality} isn't compared: {error}")
    return stores, notes

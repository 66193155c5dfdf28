"""Songs of a corpus, with the features that were extracted from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.inputs import without_fields
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.features.advice import extract_options
from deephits_keras.features.outcomes import Outcome, outcomes
from deephits_keras.features.shards import ShardRecord
from deephits_keras.features.store import FeatureStore
from deephits_keras.prediction.extraction import ExtractedTrack, hidden_fields
from deephits_keras.prediction.measured import MeasuredTrack
from deephits_keras.tracks import Track

CHUNK = 256
"""Tracks that are read together."""


class StoredSongs:
    """The tracks of a corpus with their stored features.

    Nothing is decoded, except for a track that has a value of an unseen field, by an encoder that
    also reads files.

    Args:
        corpus: The corpus.
        encoders: The model's encoders, by modality.
        unseen: Fields by modality that count as unknown, because training never saw one.

    Attributes:
        notes: Notes on tracks without features; complete after the last row.

    Raises:
        UserError: if features of an encoder, with its present settings, are missing.
        DeepHitsError: if a file is damaged.
    """

    def __init__(
        self,
        corpus: Corpus,
        encoders: Mapping[str, AnyEncoder],
        unseen: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._corpus, self._encoders, self._unseen = corpus, encoders, unseen
        self._stores = {m: self._opened(encoder) for m, encoder in encoders.items()}
        self._failures = lru_cache(len(encoders))(self._failures_of)
        self.notes: list[str] = []

    def _opened(self, encoder: AnyEncoder) -> FeatureStore:
        try:
            return FeatureStore.open(self._corpus, encoder)
        except UserError as error:
            raise UserError(
                f"{error}, with the model's encoders: {extract_options(self._encoders)}"
            ) from error

    def count(self) -> int:
        """Number of tracks."""
        return len(self._corpus)

    def __iter__(self) -> Iterator[ExtractedTrack]:
        """The tracks with their features, in the corpus's order."""
        failed = dict.fromkeys(self._encoders, 0)
        for start in range(0, len(self._corpus), CHUNK):
            rows = range(start, min(start + CHUNK, len(self._corpus)))
            tracks = self._corpus.tracks(rows)
            found: list[dict[str, Outcome]] = [{} for _ in rows]
            for modality, encoder in self._encoders.items():
                for have, outcome in zip(found, self._outcomes(encoder, rows, tracks), strict=True):
                    have[modality] = outcome
                    failed[modality] += isinstance(outcome, ExtractionError)
            for track, have in zip(tracks, found, strict=True):
                yield ExtractedTrack(MeasuredTrack(track, {}), have)
        for modality, store in self._stores.items():
            lacking = len(self._corpus) - int(store.present.sum()) - failed[modality]
            if lacking:
                lack = "track lacks" if lacking == 1 else "tracks lack"
                self.notes.append(f"{lacking:,} {lack} the input of {modality}")
            if failed[modality]:
                self.notes.append(f"{failed[modality]} tracks have no usable input of {modality}")

    def _outcomes(self, encoder: AnyEncoder, rows: range, tracks: list[Track]) -> Iterator[Outcome]:
        store = self._stores[encoder.modality]
        names = self._unseen.get(encoder.modality, ())
        features, present = store.gather(rows)
        for place, (row, track) in enumerate(zip(rows, tracks, strict=True)):
            if hidden := hidden_fields(track, names):
                yield from outcomes(encoder, [without_fields(track, hidden)])
            elif present[place]:
                yield {name: values[place] for name, values in features.items()}
            else:
                reason = self._failures(encoder.modality, row // store.layout.shard_size).get(row)
                yield None if reason is None else ExtractionError(track.id, reason)

    def _failures_of(self, modality: str, shard: int) -> dict[int, str]:
        record = ShardRecord.read(self._stores[modality].folder, shard)
        return {row: reason for row, _, reason in record.failures} if record else {}

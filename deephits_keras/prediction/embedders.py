"""Embeddings of a batch of songs by a run or an encoder, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.prediction.answers import join_parquet
from deephits_keras.prediction.extraction import ExtractedTrack
from deephits_keras.prediction.tables import RejectedRow
from deephits_keras.runs.run import Run
from deephits_keras.runs.scorer import model_inputs
from deephits_keras.types import Array

FUSED = "fused"
"""Name of the embedding of all modalities."""

TEXTS = ("track_id", "title", "artist", "missing", "warnings")


@dataclass(frozen=True)
class Embedded:
    """Embeddings of some songs.

    Attributes:
        texts: One value per song, by name in `TEXTS`.
        vectors: `(songs, size)` float32 by name; rows of missing embeddings are NaN.
    """

    texts: Mapping[str, list[str]]
    vectors: Mapping[str, Array]


class Embedder(Protocol):
    """Computes embeddings of a batch of rows.

    Attributes:
        sizes: Size of each embedding, by name.
    """

    sizes: dict[str, int]

    def __call__(self, rows: Sequence[ExtractedTrack | RejectedRow]) -> Embedded:
        """The embeddings of a batch."""


class RunEmbedder:
    """Embeddings of the branches and of the fusion, if it has one."""

    def __init__(self, run: Run) -> None:
        import keras

        from deephits_keras.model.anatomy import Anatomy, fused_embedding

        model = run.model
        embeddings = dict(Anatomy(model, list(run.encoders)).embed.output)
        if (fused := fused_embedding(model)) is not None:
            embeddings[FUSED] = fused
        self.sizes = {name: int(tensor.shape[-1]) for name, tensor in embeddings.items()}
        self._encoders = run.encoders
        self._model = keras.Model(model.input, embeddings)

    def __call__(self, rows: Sequence[ExtractedTrack | RejectedRow]) -> Embedded:
        """The embeddings of a batch."""
        songs = [row for row in rows if isinstance(row, ExtractedTrack)]
        features = {m: [_features(song, m) for song in songs] for m in self._encoders}
        inputs: dict[str, Any] = {}
        for modality, encoder in self._encoders.items():
            inputs |= model_inputs(encoder, features[modality])
        found = self._model.predict_on_batch(inputs) if songs else {}
        present = {m: [each is not None for each in found] for m, found in features.items()}
        present[FUSED] = [any(flags) for flags in zip(*present.values(), strict=True)]
        return _embedded(rows, found, present, self.sizes)


class EncoderEmbedder:
    """An encoder's features, which must be vectors."""

    def __init__(self, encoders: Mapping[str, AnyEncoder]) -> None:
        ((self._modality, encoder),) = encoders.items()
        specs = encoder.feature_specs
        for spec in specs:
            if len(spec.shape) != 1:
                raise UserError(
                    f"{encoder.name} extracts {spec.name} of shape {spec.shape}, which is no "
                    "embedding: name a run, whose model has one of it"
                )
        alone = len(specs) == 1
        self._names = {
            spec.name: self._modality if alone else f"{self._modality}_{spec.name}"
            for spec in specs
        }
        self.sizes = {self._names[spec.name]: spec.shape[0] for spec in specs}

    def __call__(self, rows: Sequence[ExtractedTrack | RejectedRow]) -> Embedded:
        """The features of a batch."""
        songs = [row for row in rows if isinstance(row, ExtractedTrack)]
        features = [_features(song, self._modality) for song in songs]
        flags = [each is not None for each in features]
        found = {
            name: np.stack(
                [np.zeros(self.sizes[name]) if each is None else each[key] for each in features]
            )
            for key, name in self._names.items()
            if songs
        }
        return _embedded(rows, found, dict.fromkeys(self.sizes, flags), self.sizes)


def _features(song: ExtractedTrack, modality: str) -> Any:
    outcome = song.outcomes[modality]
    return None if isinstance(outcome, ExtractionError) else outcome


def _embedded(
    rows: Sequence[ExtractedTrack | RejectedRow],
    found: Mapping[str, Array],
    present: Mapping[str, Sequence[bool]],
    sizes: Mapping[str, int],
) -> Embedded:
    """Embeddings in the places of their rows."""
    places = [k for k, row in enumerate(rows) if isinstance(row, ExtractedTrack)]
    vectors = {name: np.full((len(rows), size), np.nan, np.float32) for name, size in sizes.items()}
    for name, values in found.items():
        there = np.asarray(present[name], dtype=bool)
        vectors[name][np.asarray(places)[there]] = np.asarray(values, np.float32)[there]
    texts: dict[str, list[str]] = {name: [] for name in TEXTS}
    for row in rows:
        for name, value in _texts(row).items():
            texts[name].append(value)
    return Embedded(texts, vectors)


def _texts(row: ExtractedTrack | RejectedRow) -> dict[str, str]:
    if isinstance(row, RejectedRow):
        values = (row.track_id, "", "", "", f"rejected: {row.reason}")
        return dict(zip(TEXTS, values, strict=True))
    track = row.measured.track
    lacking = [m for m, each in row.outcomes.items() if _features(row, m) is None]
    unusable = (
        f"{modality} can't be used: {each.reason}"
        for modality, each in row.outcomes.items()
        if isinstance(each, ExtractionError)
    )
    title, artist = (str(track.fields.get(name) or "") for name in ("title", "artist_name"))
    values = (
        track.id,
        title,
        artist,
        " ".join(lacking),
        "; ".join([*row.measured.warnings, *unusable]),
    )
    return dict(zip(TEXTS, values, strict=True))


class EmbeddingFormat:
    """A Parquet file: ids, a list of float32 of fixed size per embedding, and what was missing.

    Args:
        sizes: Size of each embedding, by name.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        import pyarrow as pa

        vectors = [(name, pa.list_(pa.float32(), size)) for name, size in sizes.items()]
        texts = [(name, pa.string()) for name in TEXTS]
        self.schema = pa.schema([*texts[:3], *vectors, *texts[3:]])

    def write_part(self, answers: Iterable[Embedded], path: Path) -> None:
        """Write a part."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [
            pa.table(
                [self._column(each, name, kind) for name, kind in self._columns()],
                schema=self.schema,
            )
            for each in answers
        ]
        pq.write_table(pa.concat_tables([self.schema.empty_table(), *tables]), path)

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Put the parts together."""
        join_parquet(parts, path, self.schema)

    def _columns(self) -> Iterator[tuple[str, Any]]:
        return zip(self.schema.names, self.schema.types, strict=True)

    @staticmethod
    def _column(answer: Embedded, name: str, kind: Any) -> Any:
        import pyarrow as pa

        if name in answer.texts:
            return pa.array(answer.texts[name], kind)
        vectors = answer.vectors[name]
        missing = pa.array(np.isnan(vectors).all(axis=1))
        return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), type=kind, mask=missing)

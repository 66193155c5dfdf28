"""`embed`: embeddings of songs, of a run's branches and fusion or of an encoder alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder, registry
from deephits_keras.errors import UserError
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.export.bundle import is_bundle
from deephits_keras.features.extraction import corpus_encoders
from deephits_keras.prediction.catalogue import Catalogue
from deephits_keras.prediction.embedders import (
    TEXTS,
    Embedded,
    Embedder,
    EmbeddingFormat,
    EncoderEmbedder,
    RunEmbedder,
)
from deephits_keras.prediction.plan import Settings, Song, SongPlan
from deephits_keras.runs.config import EncoderRecord, RunConfig
from deephits_keras.runs.files import CONFIG
from deephits_keras.runs.run import Run
from deephits_keras.runs.scorer import Score, Scorer
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import TASKS, Task
from deephits_keras.types import Array
from deephits_keras.utils.files import replacing

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Embeddings:
    """Embeddings in the order of the songs.

    Attributes:
        parts: The embeddings, in pieces.
        notes: Notes on the input.
    """

    parts: tuple[Embedded, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def track_ids(self) -> list[str]:
        """The songs' ids."""
        return self._texts("track_id")

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities, then `fused` for a run."""
        return tuple(self.parts[0].vectors) if self.parts else ()

    def __getitem__(self, name: str) -> Array:
        """`(songs, size)` float32 of a name in `names`; rows of missing embeddings are NaN."""
        return np.concatenate([part.vectors[name] for part in self.parts])

    def to_frame(self) -> pd.DataFrame:
        """One row per song, with an array or None per embedding."""
        import pandas as pd

        vectors = {
            name: [None if np.isnan(row).all() else row for row in self[name]]
            for name in self.names
        }
        texts = {name: self._texts(name) for name in TEXTS}
        ids = {name: texts.pop(name) for name in TEXTS[:3]}
        return pd.DataFrame({**ids, **vectors, **texts})

    def _texts(self, name: str) -> list[str]:
        return [value for part in self.parts for value in part.texts[name]]


@dataclass
class BareEncoder:
    """An encoder alone, in the place of a run.

    Attributes:
        encoder: The encoder.
    """

    encoder: AnyEncoder
    folder: Path = Path()
    task: Task = TASKS["regression"]
    calibration: Calibration = field(default_factory=Calibration)
    unseen_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    synthetic: bool = False

    @property
    def encoders(self) -> dict[str, AnyEncoder]:
        """The encoder, by modality."""
        return {self.encoder.modality: self.encoder}

    def __post_init__(self) -> None:
        record = EncoderRecord.from_encoder(self.encoder, learned_missing=False)
        self.config = RunConfig(
            task=self.task.name,
            fusion={},
            modalities={self.encoder.modality: record},
            training=TrainingConfig(),
            split={},
            corpus={},
            created_with={},
        )

    @property
    def scorer(self) -> Score:
        """Raises UserError: it has no model."""
        raise UserError(f"{self.encoder.name} is an encoder, without a model that scores")


@dataclass(frozen=True)
class EmbeddingPlan(SongPlan):
    """What to embed with which run or encoder; see `SongPlan`."""

    @property
    def needs_keras(self) -> bool:
        """Whether the model or the encoder needs Keras."""
        encoders = self.extractor.encoders.values()
        return isinstance(self.models[0], Run) or not all(each.parallel for each in encoders)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Size of each embedding, by name.

        Raises:
            UserError: if the model can't be loaded, or an encoder's features are no vectors.
        """
        return dict(self._embedder.sizes)

    @cached_property
    def _embedder(self) -> Embedder:
        model = self.models[0]
        return (
            RunEmbedder(model)
            if isinstance(model, Run)
            else EncoderEmbedder(self.extractor.encoders)
        )

    @cached_property
    def _catalogue(self) -> Catalogue[Embedded]:
        return Catalogue(self.extractor, self._embedder)

    def embedded(self) -> Iterator[Embedded]:
        """The embeddings of the songs, a batch in memory at a time."""
        if self.tracks:
            yield from self._catalogue.answers(self.tracks)
        else:
            yield from self.stream_with(self._catalogue)

    def write(
        self, out: str | Path, seen: Callable[[Embedded], None] | None = None
    ) -> tuple[int, str]:
        """Write the songs' embeddings to a Parquet file; see `SongPlan.write_with`."""
        path, form = require_parquet(Path(out)), EmbeddingFormat(self.sizes)
        if not self.tracks:
            return self.write_with(self._catalogue, form, path, seen)
        found = list(self.embedded())
        if seen is not None:
            for each in found:
                seen(each)
        with replacing(path) as temporary:
            form.write_part(found, temporary)
        return len(self.tracks), ""

    @property
    def song_notes(self) -> tuple[str, ...]:
        """Notes on the songs; complete after the last one."""
        return () if self.tracks else tuple(self.songs.notes)


def plan_embedding(
    model: str | Path | Run,
    songs: Song | Sequence[Song] = (),
    *,
    corpus: str | Path | Corpus | None = None,
    settings: Settings | None = None,
    **more: Any,
) -> EmbeddingPlan:
    """Check the arguments without importing Keras; see `embed`."""
    opened = Corpus.open(Path(corpus)) if isinstance(corpus, str | Path) else corpus
    found: Scorer
    if isinstance(model, Run):
        found = Run(model.folder, settings) if settings else model
    elif (Path(model) / CONFIG).exists():
        found = Run(model, settings)
    else:
        found = BareEncoder(_encoder(str(model), opened, settings or {}))
    return EmbeddingPlan.from_arguments([found], songs, corpus=opened, **more)


def _encoder(name: str, corpus: Corpus | None, settings: Settings) -> AnyEncoder:
    """An encoder by its name, or a modality's default one."""
    known = registry()
    names = {each.name for each in known.registrations}
    if Path(name).exists() and name not in names:
        what = "a bundle, which has no embeddings" if is_bundle(Path(name)) else "no run"
        raise UserError(f"{name} is {what}: name a run or an encoder")
    named = name in names
    encoder = known.load(name) if named else known.for_modality(name)
    if corpus is not None:
        pair = f"{encoder.modality}={encoder.name}"
        return corpus_encoders(corpus, pair, settings)[encoder.modality]
    return encoder.from_config(
        {**settings.get(encoder.modality, {}), **settings.get(encoder.name, {})}
    )


def require_parquet(path: Path) -> Path:
    """The path of a file of embeddings.

    Raises:
        UserError: if it doesn't end as a Parquet file.
    """
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise UserError(f"{path}: embeddings are written to a file that ends in .parquet")
    return path


def embed(
    model: str | Path | Run,
    songs: Song | Sequence[Song] = (),
    *,
    lyrics: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    fields: Mapping[str, Any] | None = None,
    table: str | Path | None = None,
    corpus: str | Path | Corpus | None = None,
    folders: Mapping[str, str | Path] | None = None,
    out: str | Path | None = None,
    jobs: int = -1,
    engine: str = "local",
    scheduler: str | None = None,
    settings: Settings | None = None,
) -> Embeddings:
    """Compute embeddings of songs, as `deephits embed` does.

    Args:
        model: A finished run, or its folder: embeddings of each branch, by modality, and `fused`,
            the fusion's, which late fusion and ensembles lack. Or the name of an encoder, or of a
            modality for its default encoder: its features, if they are vectors (as BERT's).
        songs: One or several recordings or `Track`s, as in `predict`.
        lyrics: A text file with the lyrics of the one song.
        inputs: Other files of the one song, by the name of an input.
        fields: Metadata fields of the one song.
        table: Instead of songs, a table.
        corpus: Instead of songs, a corpus whose features are extracted.
        folders: With a table, folder of the files in a column, by its name.
        out: Parquet file to write the embeddings to as well: a list of float32 per embedding, null
            where the song lacks the modality.
        jobs: With a table, number of worker processes that extract features; -1: one per core.
        engine: `local`, `dask` or `ray`.
        scheduler: Address of the cluster's scheduler.
        settings: Encoder settings that override the run's, by modality or encoder.

    Returns:
        The embeddings, all in memory.

    Raises:
        UserError: if an argument is invalid, or the encoder's features are no vectors.

    Example:
        >>> import deephits_keras as dh
        >>> found = dh.embed("run", table="songs.csv", out="songs.parquet")  # doctest: +SKIP
        >>> found.names, found["fused"].shape  # doctest: +SKIP
        (('mel', 'lyrics', 'meta', 'fused'), (528, 64))
    """
    plan = plan_embedding(
        model,
        songs,
        lyrics=lyrics,
        inputs=inputs,
        fields=fields,
        table=table,
        corpus=corpus,
        folders=folders,
        jobs=jobs,
        engine=engine,
        scheduler=scheduler,
        settings=settings,
    )
    found: list[Embedded] = []
    if out is None:
        found += plan.embedded()
    else:
        plan.write(out, found.append)
    return Embeddings(tuple(found), plan.song_notes)

"""`predict`: predict songs or a table of songs.

Whatever can be checked without Keras is checked before a model is loaded, so that mistakes are
reported immediately.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.opening import open_model
from deephits_keras.features.seen import unseen_notes
from deephits_keras.features.workers import Crew, check_engine
from deephits_keras.prediction.answers import (
    NUMBERS,
    Answers,
    TrackAnswers,
    format_of,
    table_columns,
    table_row,
)
from deephits_keras.prediction.asked import asked_track, ignored, require_read
from deephits_keras.prediction.catalogue import Catalogue
from deephits_keras.prediction.extraction import ExtractedTrack
from deephits_keras.prediction.identity import identity_of
from deephits_keras.prediction.measured import descriptor_source
from deephits_keras.prediction.parts import Parts
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.prediction.tables import RejectedRow, TrackTable
from deephits_keras.runs.scorer import Scorer
from deephits_keras.tracks import Track
from deephits_keras.utils.progress import progress

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.prediction.stored import StoredSongs

Song = str | Path | Track
Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Predictions(Sequence[TrackPrediction]):
    """Predictions in the order of the songs, as a sequence and as a table.

    Attributes:
        predictions: One per song.
        labels: The tiers' labels; empty for a regression.
        synthetic: Whether the model was trained on a synthetic corpus: it knows no real music.
        notes: Notes on the input.
    """

    predictions: tuple[TrackPrediction, ...]
    labels: tuple[str, ...]
    synthetic: bool
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per song, with the columns of the file `out`."""
        import pandas as pd

        rows = [table_row(each, self.labels) for each in self.predictions]
        frame = pd.DataFrame(rows, columns=table_columns(self.labels))
        numbers = [*NUMBERS, *(f"score_{label}" for label in self.labels)]
        return frame.astype({**dict.fromkeys(numbers, "float64"), "tier": "Int64"})

    def __len__(self) -> int:
        return len(self.predictions)

    @overload
    def __getitem__(self, place: int) -> TrackPrediction: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[TrackPrediction]: ...

    def __getitem__(self, place: int | slice) -> TrackPrediction | Sequence[TrackPrediction]:
        return self.predictions[place]


@dataclass(frozen=True)
class PredictionPlan:
    """Songs and models, checked as far as possible without Keras.

    Attributes:
        models: The models.
        tracks: The songs, if they aren't in a table.
        table: The table.
        corpus: The corpus, whose stored features are used.
        folders: Folder of the files in the table, by input name.
        descriptors: Encoder that measures missing fields.
        unread: Standard columns that no encoder reads.
        crew: Worker processes that extract the features of a table.
    """

    models: tuple[Scorer, ...]
    tracks: tuple[Track, ...]
    table: Path | None
    corpus: Corpus | None
    folders: Mapping[str, Path]
    descriptors: AnyEncoder | None
    unread: tuple[str, ...]
    crew: Crew

    @property
    def needs_keras(self) -> bool:
        """Whether any model needs Keras, that is, isn't exported."""
        return not all(isinstance(model, Bundle) for model in self.models)

    @cached_property
    def predictors(self) -> tuple[Predictor, ...]:
        """The loaded models.

        Raises:
            UserError: if one can't be loaded.
        """
        return tuple(Predictor(model, self.descriptors) for model in self.models)

    @cached_property
    def songs(self) -> TrackTable | StoredSongs:
        """The table or the corpus, opened for the first model.

        Raises:
            UserError: if it can't be read, or the corpus lacks features.
        """
        first = self.predictors[0]
        if self.corpus is not None:
            from deephits_keras.prediction.stored import StoredSongs

            return StoredSongs(self.corpus, first.encoders, first.run.unseen_columns)
        if self.table is None:
            raise UserError("There is neither a table nor a corpus of songs")
        return TrackTable(
            self.table, self.folders, first.inputs, first.run.config.corpus.get("reading", {})
        )

    def answers(self) -> list[Predictions]:
        """The predictions of each model for the songs."""
        return [
            Predictions(
                tuple(predictor.predict(self.tracks)),
                tier_labels(predictor.run),
                predictor.run.synthetic,
                self.notes,
            )
            for predictor in self.predictors
        ]

    @cached_property
    def _catalogue(self) -> Catalogue[Answers]:
        predictor = self.predictors[0]
        return Catalogue(predictor.extractor, partial(_answers, predictor))

    def stream(self) -> Iterator[Answers]:
        """The first model's predictions for the table or corpus, a batch in memory at a time."""
        with self.crew.started() as workers:
            yield from self._catalogue.answers(self.songs, workers)

    def write(
        self, out: str | Path, seen: Callable[[Answers], None] | None = None
    ) -> tuple[int, str]:
        """Write the first model's predictions for the table or corpus.

        If interrupted, the finished parts are kept beside the file, and the same call continues
        after them.

        Args:
            out: A file that ends in .csv, .jsonl or .parquet.
            seen: Called with the answers of each batch, which are then all computed.

        Returns:
            The number of rows, and a note on parts that couldn't be used, or an empty text.

        Raises:
            UserError: if the file has another ending or can't be written to, or the songs can't be
                read.
        """
        path, model = Path(out), self.models[0]
        form = format_of(path, tier_labels(model))
        songs = self.songs
        source = self.corpus if self.corpus is not None else self.table
        of = identity_of(model, self.predictors[0].extractor, source, self.folders)
        of["part_size"] = self._catalogue.part_size
        parts = Parts(path, of, form, anew=seen is not None)
        count = 0
        with self.crew.started() as workers:
            written = self._catalogue.write(songs, parts, workers, seen or (lambda _: None))
            for rows in progress(
                written, total=songs.count(), what=f"predicting {path.name}", weight=int
            ):
                count += rows
        note = f"{parts.folder} was of another model, other songs or settings: begun anew"
        return count, note if parts.restarted else ""

    @property
    def song_notes(self) -> tuple[str, ...]:
        """Notes on the songs of a table or corpus; complete after the last one."""
        return (*self.songs.notes, *unseen_notes(self._catalogue.unseen))

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on fields of the songs that no encoder reads."""
        return ignored(self.unread)


def tier_labels(model: Scorer) -> tuple[str, ...]:
    """Labels of a model's tiers, one per score; empty for a regression."""
    task = model.task
    return tuple(task.tiers.labels) if task.kind == "classification" else ()


def plan_prediction(
    models: Iterable[str | Path | Scorer],
    songs: Song | Sequence[Song] = (),
    *,
    lyrics: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    fields: Mapping[str, Any] | None = None,
    table: str | Path | None = None,
    corpus: str | Path | Corpus | None = None,
    folders: Mapping[str, str | Path] | None = None,
    descriptors: str | None = None,
    jobs: int = -1,
    engine: str = "local",
    scheduler: str | None = None,
    settings: Settings | None = None,
) -> PredictionPlan:
    """Check the arguments without importing Keras; see `predict`."""
    asked = [songs] if isinstance(songs, str | Path | Track) else list(songs)
    of_song = bool(asked or lyrics or inputs or fields)
    if table and of_song:
        raise UserError("Give either one song or --table, not both")
    if corpus is not None and (table or of_song or descriptors):
        raise UserError(
            "Give --corpus alone: its stored features are used, no song, --table or --descriptors"
        )
    if not (table or of_song or corpus is not None):
        raise UserError(
            "Give a song: an audio file, --lyrics, --input, --set, or a --table of songs"
        )
    check_engine(jobs, engine, scheduler)
    if folders and not table:
        raise UserError("--input-dir can only be used with --table")
    if table and not Path(table).is_file():
        raise UserError(f"There is no file {table}")
    tracks = tuple(_tracks(asked, lyrics, inputs or {}, fields or {})) if of_song else ()
    source = descriptor_source(descriptors, settings or {}) if descriptors else None
    opened = _open(list(models), source, settings or {})
    sources = [source] if source else []
    unread: dict[str, None] = {}
    for track in tracks:
        encoders = [*(e for model in opened for e in model.encoders.values()), *sources]
        unread |= dict.fromkeys(require_read(track, encoders))
    return PredictionPlan(
        models=tuple(opened),
        tracks=tracks,
        table=Path(table) if table else None,
        corpus=Corpus.open(Path(corpus)) if isinstance(corpus, str | Path) else corpus,
        folders={name: Path(folder) for name, folder in (folders or {}).items()},
        descriptors=source,
        unread=tuple(unread),
        crew=Crew(jobs, engine, scheduler),
    )


def _tracks(
    songs: Sequence[Song],
    lyrics: str | Path | None,
    inputs: Mapping[str, str | Path],
    fields: Mapping[str, Any],
) -> Iterator[Track]:
    if len(songs) > 1 and (lyrics or inputs):
        raise UserError("lyrics and inputs are of one song: give several songs as Tracks")
    for song in songs or (None,):
        if isinstance(song, Track):
            if lyrics or inputs or fields:
                raise UserError(f"Track {song.id}: a Track has its lyrics, files and fields in it")
            yield song
            continue
        yield asked_track(
            audio=None if song is None else Path(song),
            lyrics=None if lyrics is None else Path(lyrics),
            inputs={name: Path(path) for name, path in inputs.items()},
            fields=fields,
        )


def _open(
    models: Sequence[str | Path | Scorer], source: AnyEncoder | None, settings: Settings
) -> list[Scorer]:
    """Open models, each with the settings for its encoders."""
    opened = [open_model(Path(m)) if isinstance(m, str | Path) else m for m in models]
    if not settings:
        return list(opened)
    known = {source.name, source.modality} if source else set()
    known = known.union(*map(_encoder_names, opened))
    return [
        open_model(
            model.folder,
            {
                name: values
                for name, values in settings.items()
                if name in _encoder_names(model) or name not in known
            },
        )
        for model in opened
    ]


def _encoder_names(model: Scorer) -> set[str]:
    return {n for m, record in model.config.modalities.items() for n in (m, record.encoder)}


def predict(
    model: str | Path | Scorer,
    songs: Song | Sequence[Song] = (),
    *,
    lyrics: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    fields: Mapping[str, Any] | None = None,
    table: str | Path | None = None,
    corpus: str | Path | Corpus | None = None,
    folders: Mapping[str, str | Path] | None = None,
    descriptors: str | None = None,
    out: str | Path | None = None,
    jobs: int = -1,
    engine: str = "local",
    scheduler: str | None = None,
    settings: Settings | None = None,
) -> Predictions:
    """Predict the popularity of songs, as `deephits predict` does.

    Any input may be missing; each prediction lists the missing ones.

    Args:
        model: A finished run or an exported bundle, or its folder.
        songs: One or several recordings or `Track`s; none if only other inputs are given.
        lyrics: A text file with the lyrics of the one song.
        inputs: Other files of the one song, by the name of an input that an encoder declares.
        fields: Metadata fields for every recording, such as `{"artist_popularity": 63}`.
        table: Instead of songs, a table: CSV, JSON lines, Parquet, Feather or Excel.
        corpus: Instead of songs, a corpus whose features are extracted: nothing is decoded.
        folders: With a table, folder of the files in a column, by its name; the table's folder by
            default.
        descriptors: An encoder or a modality that measures the fields that aren't given.
        out: With a table or a corpus, file to write the predictions to as well: CSV, JSON lines or
            Parquet, by its ending (.csv, .jsonl, .parquet).
        jobs: With a table, number of worker processes that extract features; -1: one per core.
            Predictions don't depend on it.
        engine: `local`, `dask` or `ray`.
        scheduler: Address of the cluster's scheduler.
        settings: Encoder settings that override the model's, by modality or encoder.

    Returns:
        The predictions; `to_frame` converts them to a table. A row that can't be read has no
        popularity, and a warning with the reason. All are in memory: for millions of songs, use
        `plan_prediction(...).write(out)`, as the command does, which also continues after an
        interruption.

    Raises:
        UserError: if an argument is invalid.

    Example:
        >>> import deephits_keras as dh
        >>> found = dh.predict("run", "song.mp3", fields={"tempo": 124})  # doctest: +SKIP
        >>> found[0].popularity, found[0].missing  # doctest: +SKIP
        (61.7, ('lyrics',))
        >>> dh.predict("run", table="songs.csv").to_frame()  # doctest: +SKIP
    """
    if out and not table and corpus is None:
        raise UserError("out is where the predictions for a table or a corpus go")
    plan = plan_prediction(
        [model],
        songs,
        lyrics=lyrics,
        inputs=inputs,
        fields=fields,
        table=table,
        corpus=corpus,
        folders=folders,
        descriptors=descriptors,
        jobs=jobs,
        engine=engine,
        scheduler=scheduler,
        settings=settings,
    )
    if plan.tracks:
        return plan.answers()[0]
    first = plan.models[0]
    answers: list[Answers] = []
    if out is None:
        answers += plan.stream()
    else:
        plan.write(out, answers.append)
    found = tuple(prediction for each in answers for prediction in each.predictions())
    return Predictions(found, tier_labels(first), first.synthetic, plan.song_notes)


def _answers(predictor: Predictor, rows: Sequence[ExtractedTrack | RejectedRow]) -> Answers:
    """Predictions of a batch; a row that can't be read gets a reason instead."""
    extracted = [row for row in rows if isinstance(row, ExtractedTrack)]
    found = iter(predictor.predict_extracted(extracted) if extracted else [])
    answers = []
    for row in rows:
        if isinstance(row, RejectedRow):
            rejected = (f"rejected: {row.reason}",)
            answers.append(TrackPrediction(row.track_id, None, None, None, {}, (), {}, rejected))
            continue
        fields = row.measured.track.fields
        title, artist = (str(fields.get(name) or "") for name in ("title", "artist_name"))
        answers.append(dataclasses.replace(next(found), title=title, artist=artist))
    return TrackAnswers(answers)

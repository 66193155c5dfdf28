"""`predict`: predict songs or a table of songs.

Whatever can be checked without Keras is checked before a model is loaded, so that mistakes are
reported immediately.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.features.seen import unseen_notes
from deephits_keras.prediction.answers import (
    NUMBERS,
    Answers,
    TrackAnswers,
    format_of,
    table_columns,
    table_row,
)
from deephits_keras.prediction.catalogue import Catalogue
from deephits_keras.prediction.extraction import ExtractedTrack
from deephits_keras.prediction.field_answers import FieldAnswers
from deephits_keras.prediction.plan import Settings, Song, SongPlan
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.prediction.tables import RejectedRow
from deephits_keras.runs.scorer import Scorer

if TYPE_CHECKING:
    import pandas as pd


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
class PredictionPlan(SongPlan):
    """What to predict with which models; see `SongPlan`.

    Attributes:
        prepare: Called before a model is loaded.
    """

    prepare: Callable[[], None] = lambda: None

    @property
    def extracts_without_keras(self) -> bool:
        """Whether there is work for other processes that needs no Keras.

        It can be given to them before Keras is imported, which takes seconds.
        """
        encoders = self.extractor.encoders.values()
        parallel = all(encoder.parallel for encoder in encoders)
        return self.table is not None and parallel and self.extractor.for_workers is not None

    @cached_property
    def predictors(self) -> tuple[Predictor, ...]:
        """The models, each loaded when it is first needed."""
        return tuple(Predictor(model, self.descriptors, self.prepare) for model in self.models)

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
        at_once = partial(FieldAnswers.from_chunk, predictor) if self.extractor.light else None
        return Catalogue(self.extractor, partial(_answers, predictor), at_once, predictor.words)

    def stream(self) -> Iterator[Answers]:
        """The first model's predictions for the table or corpus, a batch in memory at a time."""
        yield from self.stream_with(self._catalogue)

    def write(
        self, out: str | Path, seen: Callable[[Answers], None] | None = None
    ) -> tuple[int, str]:
        """Write the first model's predictions for the table or corpus; see `write_with`.

        Args:
            out: A file that ends in .csv, .jsonl or .parquet.
            seen: Called with the answers of each batch, which are then all computed.

        Returns:
            The number of rows, and a note on parts that couldn't be used, or an empty text.

        Raises:
            UserError: if the file has another ending or can't be written to, or the songs can't be
                read.
        """
        form = format_of(Path(out), tier_labels(self.models[0]))
        return self.write_with(self._catalogue, form, Path(out), seen)

    @property
    def song_notes(self) -> tuple[str, ...]:
        """Notes on the songs of a table or corpus; complete after the last one."""
        done = self._catalogue
        new = {name: list(words) for name, words in done.new_words.items() if words}
        return (*self.songs.notes, *unseen_notes(done.unseen), *done.words.notes(new))


def tier_labels(model: Scorer) -> tuple[str, ...]:
    """Labels of a model's tiers, one per score; empty for a regression."""
    task = model.task
    return tuple(task.tiers.labels) if task.kind == "classification" else ()


plan_prediction = PredictionPlan.from_arguments
"""Check the arguments of `predict` without importing Keras."""


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

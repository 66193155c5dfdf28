"""Songs to score or to embed, and what reads them: checked before anything heavy is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from deephits_keras.corpus.languages import LANGUAGE
from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.inputs import LYRICS, may_read
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.opening import open_model
from deephits_keras.features.workers import Crew, check_engine
from deephits_keras.prediction.asked import (
    asked_track,
    cleaning_of,
    ignored,
    reading_of,
    require_extractable,
    require_read,
    require_recording,
)
from deephits_keras.prediction.catalogue import Catalogue
from deephits_keras.prediction.extraction import TrackExtractor
from deephits_keras.prediction.identity import identity_of
from deephits_keras.prediction.measured import descriptor_source
from deephits_keras.prediction.parts import Format, Parts
from deephits_keras.prediction.tables import TrackTable
from deephits_keras.runs.scorer import Scorer
from deephits_keras.tracks import Track
from deephits_keras.utils.progress import progress

if TYPE_CHECKING:
    from deephits_keras.prediction.stored import StoredSongs

A = TypeVar("A")

Song = str | Path | Track
Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SongPlan:
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
    def extractor(self) -> TrackExtractor:
        """What extracts the first model's features of a song."""
        first = self.models[0]
        return TrackExtractor(first.encoders, self.descriptors, dict(first.unseen_columns))

    @cached_property
    def songs(self) -> TrackTable | StoredSongs:
        """The table or the corpus, opened for the first model.

        Raises:
            UserError: if it can't be read, or the corpus lacks features.
        """
        first = self.models[0]
        if self.corpus is not None:
            from deephits_keras.prediction.stored import StoredSongs

            return StoredSongs(self.corpus, first.encoders, first.unseen_columns)
        if self.table is None:
            raise UserError("There is neither a table nor a corpus of songs")
        return TrackTable(
            self.table,
            self.folders,
            self.extractor.inputs,
            reading_of(first),
        )

    def stream_with(self, catalogue: Catalogue[A]) -> Iterator[A]:
        """Answers for the table or corpus, a batch in memory at a time."""
        with self.crew.started() as workers:
            yield from catalogue.answers(self.songs, workers)

    def write_with(
        self,
        catalogue: Catalogue[A],
        form: Format[A],
        out: Path,
        seen: Callable[[A], None] | None = None,
    ) -> tuple[int, str]:
        """Write answers for the table or corpus.

        If interrupted, the finished parts are kept beside the file, and the same call continues
        after them.

        Args:
            catalogue: Computes the answers.
            form: How they are written.
            out: The file.
            seen: Called with the answers of each batch, which are then all computed.

        Returns:
            The number of rows, and a note on parts that couldn't be used, or an empty text.

        Raises:
            UserError: if the file can't be written to, or is the table or a part of it.
        """
        self._require_apart(out)
        songs = self.songs
        source = self.corpus if self.corpus is not None else self.table
        of = identity_of(self.models[0], self.extractor, source, self.folders)
        of["part_size"] = catalogue.part_size
        parts = Parts(out, of, form, anew=seen is not None)
        count = 0
        try:
            with self.crew.started() as workers:
                written = catalogue.write(songs, parts, workers, seen or (lambda _: None))
                for rows in progress(written, total=songs.count(), what=out.name, weight=int):
                    count += rows
        except BaseException:
            parts.remove_if_none()
            raise
        note = f"{parts.folder} was of another model, other songs or settings: begun anew"
        return count, note if parts.restarted else ""

    def _require_apart(self, out: Path) -> None:
        """Refuse a file that would replace the table, or be read as a part of it."""
        if out.is_dir():
            raise UserError(f"{out} is a folder, where a file is to be written")
        if self.table is None:
            return
        table, target = self.table.resolve(), out.resolve()
        if target == table:
            raise UserError(f"--out {out} would replace the table itself: name another file")
        if target.is_relative_to(table):
            raise UserError(f"--out {out} lies in the folder of the table: name another place")

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on fields of the songs that no encoder reads."""
        return ignored(self.unread)

    @classmethod
    def from_arguments(
        cls,
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
    ) -> Self:
        """Check the arguments of `predict` without importing Keras; see there."""
        asked = [songs] if isinstance(songs, str | Path | Track) else list(songs)
        of_song = bool(asked or lyrics or inputs or fields)
        if table and of_song:
            raise UserError("Give either one song or --table, not both")
        if corpus is not None and (table or of_song or descriptors):
            raise UserError(
                "Give --corpus alone: its stored features are used, not a song, --table or "
                "--descriptors"
            )
        if not (table or of_song or corpus is not None):
            raise UserError(
                "Give a song: an audio file, --lyrics, --input, --set, or a --table of songs"
            )
        check_engine(jobs, engine, scheduler)
        if folders and not table:
            raise UserError("--input-dir can only be used with --table")
        if table and not Path(table).exists():
            raise UserError(f"There is no file {table}")
        source = descriptor_source(descriptors, settings or {}) if descriptors else None
        opened = open_models(list(models), source, settings or {})
        tracks: tuple[Track, ...] = ()
        has_lyrics = lyrics or LYRICS.name in (inputs or {})
        cleaning = common_cleaning(opened) if has_lyrics else LyricsCleaning()
        if of_song:
            tracks = tuple(asked_tracks(asked, lyrics, inputs or {}, fields or {}, cleaning))
        if len(tracks) == 1:
            require_recording(tracks[0])
        for encoder in _given_encoders(opened, settings or {}) if not of_song else ():
            encoder.require_extractable()
        sources = [source] if source else []
        unread: dict[str, None] = {}
        for track in tracks:
            encoders = [*(e for model in opened for e in model.encoders.values()), *sources]
            unread |= dict.fromkeys(require_read(track, encoders, cleaning))
            require_extractable(track, encoders)
        return cls(
            models=tuple(opened),
            tracks=tracks,
            table=Path(table) if table else None,
            corpus=Corpus.open(Path(corpus)) if isinstance(corpus, str | Path) else corpus,
            folders={name: Path(folder) for name, folder in (folders or {}).items()},
            descriptors=source,
            unread=tuple(unread),
            crew=Crew(jobs, engine, scheduler),
        )


def common_cleaning(models: Sequence[Scorer]) -> LyricsCleaning:
    """How the lyrics of a song are cleaned for all of some models.

    Raises:
        UserError: if the lyrics that they were trained on were cleaned differently.
    """
    found = [(m, cleaning_of(m)) for m in models]
    found = [(m, how) for m, how in found if how.detect_language or _may_read(m, LYRICS.name)]
    # For a model that doesn't read the language it makes no difference.
    detecting = {how.detect_language for m, how in found if _may_read(m, LANGUAGE)}
    cleaned = [dataclasses.replace(how, detect_language=any(detecting)) for _, how in found]
    if len(detecting) > 1 or any(each != cleaned[0] for each in cleaned):
        raise UserError(
            "The lyrics that these models were trained on were cleaned differently: predict with "
            "each alone"
        )
    return cleaned[0] if cleaned else LyricsCleaning()


def _may_read(model: Scorer, name: str) -> bool:
    return any(may_read(encoder, (name,)) for encoder in model.encoders.values())


def asked_tracks(
    songs: Sequence[Song],
    lyrics: str | Path | None,
    inputs: Mapping[str, str | Path],
    fields: Mapping[str, Any],
    cleaning: LyricsCleaning,
) -> Iterator[Track]:
    """The songs as tracks."""
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
            cleaning=cleaning,
        )


def open_models(
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


def _given_encoders(models: Iterable[Scorer], settings: Settings) -> Iterator[AnyEncoder]:
    """Encoders of settings that were given, as of a table: they must be usable, whatever is read.

    Other encoders may lack what no song of a table needs.

    Yields:
        Each such encoder of each model.
    """
    given = {name for name, values in settings.items() if values}
    for model in models:
        if given & _encoder_names(model):
            for modality, encoder in model.encoders.items():
                if given & {modality, encoder.name}:
                    yield encoder


def _encoder_names(model: Scorer) -> set[str]:
    return {n for m, record in model.config.modalities.items() for n in (m, record.encoder)}

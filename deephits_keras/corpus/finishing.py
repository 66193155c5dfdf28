"""The end of every import: recordings, values, artists, duplicates, filters, and the corpus."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.artists import ArtistKeys
from deephits_keras.corpus.dates import UnreadDates
from deephits_keras.corpus.duplicates import REPEATED, Repeats
from deephits_keras.corpus.filters import CountedFilters, Filter, FilterStep
from deephits_keras.corpus.known import LATER, KnownWhen
from deephits_keras.corpus.languages import LANGUAGE
from deephits_keras.corpus.lyrics import LyricsCleaning, joined_lines
from deephits_keras.corpus.lyrics_report import LyricsReport
from deephits_keras.corpus.lyrics_report import tracks as number_of_tracks
from deephits_keras.corpus.recordings import Recordings
from deephits_keras.corpus.source_table import SourceTable
from deephits_keras.corpus.table import INPUTS, Corpus, CorpusWriter
from deephits_keras.corpus.validate import usable, validate
from deephits_keras.corpus.values import STANDARD, clean_rows, read_ids
from deephits_keras.encoders.inputs import AUDIO, Input
from deephits_keras.encoders.registry import installed_inputs
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.version import __version__


@dataclass(frozen=True)
class ImportSummary:
    """Result of an import.

    Attributes:
        corpus: The corpus.
        source_rows: Number of rows in the source, including malformed lines.
        rejected: Number of rejected rows, by field.
        duplicates: Number of rows with a repeated track id.
        steps: Table 4, or empty without filters.
        with_audio: Number of tracks with a recording.
        with_lyrics: Number of tracks with lyrics.
        with_files: Number of tracks with each other file, by input name.
        missing: Number of tracks without a value, by field.
        audio_notes: Reasons why tracks have no recording and recordings no track.
        file_notes: The same for other files.
        unused_files: Columns of file inputs that were not read, as no folder was given.
        notes: Notes on recognised columns and values.
    """

    corpus: Corpus
    source_rows: int
    rejected: Mapping[str, int]
    duplicates: int
    steps: Sequence[FilterStep]
    with_audio: int
    with_files: Mapping[str, int]
    with_lyrics: int
    missing: Mapping[str, int]
    audio_notes: Sequence[str] = ()
    file_notes: Sequence[str] = ()
    unused_files: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class TrackSource:
    """Tracks of an importer, read in chunks.

    Attributes:
        tables: The files of the tracks.
        tracks: Reads the tracks: one row per track in standard columns, indexed by row numbers of
            the source.
        track_ids: Reads only the ids, possibly also those of malformed lines.
        types: Arrow types of columns that pandas stores as objects.
        artists: Reads the artists of each track, if texts must be split; by default `artist_ids`
            or `artist_name` is used unchanged.
        separators: Texts that always separate artists.
    """

    tables: Sequence[SourceTable]
    tracks: Callable[[], Iterator[pd.DataFrame]]
    track_ids: Callable[[], Iterator[pd.Series[Any]]]
    types: Mapping[str, pa.DataType]
    artists: Callable[[], Iterator[pd.Series[Any]]] | None = None
    separators: tuple[str, ...] = ()


def finish_import(
    source: TrackSource,
    folder: Path,
    *,
    audio: str | Path | None,
    filters: Sequence[Filter],
    info: Mapping[str, Any],
    lyrics: LyricsCleaning | None = None,
    duplicates: str = "first",
    factors: Mapping[str, float] | None = None,
    marks: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    inputs: Mapping[str, str | Path] | None = None,
    known: KnownWhen | None = None,
) -> ImportSummary:
    """Match recordings and other files, validate, filter and write: the last step of imports.

    Args:
        source: The tracks.
        folder: Folder of the corpus.
        audio: Folder of recordings.
        filters: Filters to apply.
        info: Entries of `corpus.json` on the source.
        lyrics: Settings of lyrics cleaning.
        duplicates: Rule for rows with the same id, one of `duplicates.DUPLICATES`.
        factors: Factors of standard columns in other units.
        marks: Decimal marks of standard columns.
        notes: Notes on the source so far.
        inputs: Folder of the files of each input, by input name; may contain `audio`.
        known: When values are known; others are removed.

    Raises:
        UserError: if no row can be used, a folder is missing, an input can't be a file, or the
            rule for duplicates is unknown.
        DeepHitsError: if there is no disk space for lookups.
    """
    lyrics, known = lyrics or LyricsCleaning(), known or KnownWhen({})
    former = _former(folder)
    named = {**({"audio": audio} if audio else {}), **(inputs or {})}
    given = {name: Path(place) for name, place in named.items()}
    readable = installed_inputs()
    files = _files(source, folder, given, readable)
    names = [each.name for each in files]
    unused = {name for name, each in readable.items() if each.kind == "file"} - set(given)
    columns: set[str] = set()
    rows_of = _Rows(source, files, lyrics, (factors or {}, marks or {}), duplicates)
    counted = CountedFilters(filters)
    counts = _Counts(with_files={name: 0 for name in names if name != "audio"})
    types = {**source.types, "artist_keys": pa.list_(pa.string())}
    with CorpusWriter(folder, types) as writer:
        for rows in source.tracks():
            columns.update(map(str, rows))
            good, rejected = rows_of.checked(known.apply(rows))
            passing = counted.apply(good)
            kept = _ordered(passing.drop(columns="source_row"), names)
            removed = good.drop(index=passing.index).drop(columns=["source_row", "lyrics", *names])
            writer.add(kept, rejected, removed)
            counts.add(len(rows), kept, rejected)
        malformed = pd.concat([table.malformed for table in source.tables])
        writer.reject(malformed)
        counts.add(len(malformed), None, malformed)
        steps = counted.steps
        if not counts.source_rows:
            raise UserError("The source has no rows below its header")
        if not steps[0].remaining:
            why = f" The first: {counts.first_rejected}" if counts.first_rejected else ""
            raise UserError(f"No row of the source can be used.{why}")
        if not steps[-1].remaining:
            raise UserError("The filters remove every track")
        if not filters:
            steps = []
        told: dict[str, Any] = {
            "made_by": __version__,
            "filters": [dataclasses.asdict(step) for step in steps],
            "factors": dict(factors or {}),
            "decimal_marks": dict(marks or {}),
            "lyrics": dataclasses.asdict(lyrics),
            "separators": list(source.separators),
            "notes": [
                *notes,
                *known.notes(),
                *rows_of.notes(bool(info.get("synthetic"))),
                *counts.notes(),
            ],
            "files": names,
            LATER: [*dict.fromkeys((*info.get(LATER, ()), *known.later))],
        }
        corpus = writer.finish({**info, **told, **counts.to_json()})
    if former and former[0] != corpus.fingerprint:
        told["notes"] = [f"replaces the corpus of {former[1]}", *told["notes"]]
    return ImportSummary(
        corpus=corpus,
        duplicates=counts.duplicates,
        steps=steps,
        audio_notes=files[0].explained(len(corpus) - counts.with_audio),
        file_notes=[
            note
            for each in files[1:]
            for note in each.explained(len(corpus) - counts.with_files[each.name])
        ],
        unused_files=sorted(unused & columns),
        notes=tuple(told["notes"]),
        **counts.to_json(),
    )


def _former(folder: Path) -> tuple[str, str] | None:
    """Fingerprint and description of the corpus that an import replaces, if it can be read."""
    try:
        former = Corpus.open(folder)
        described = f"{former.info.get('source')}, {number_of_tracks(len(former))}"
        return former.fingerprint, described
    except (DeepHitsError, KeyError, OSError):
        return None


RESERVED = ("lyrics", *STANDARD)
"""Columns that can't contain paths of files."""


def _files(
    source: TrackSource, folder: Path, given: Mapping[str, Path], known: Mapping[str, Input]
) -> list[Recordings]:
    """The files of each input; recordings first, for which every corpus has a column."""
    for name in given:
        if name in RESERVED:
            raise UserError(f"{name} is not an input of files: --input-dir takes NAME=FOLDER")
        try:
            Input(name, "file")
        except ValueError as error:
            raise UserError(f"--input-dir {name}: {error}") from error
    return [
        Recordings(
            given.get(name), folder, source.track_ids(), known.get(name, Input(name, "file"))
        )
        for name in dict.fromkeys((AUDIO.name, *given))
    ]


SHOWN = 6
"""Languages in a list."""


class _Rows:
    """Converts rows of a source to tracks: recordings, values, artists' keys, duplicates."""

    def __init__(
        self,
        source: TrackSource,
        files: Sequence[Recordings],
        lyrics: LyricsCleaning,
        units: tuple[Mapping[str, float], Mapping[str, str]],
        duplicates: str,
    ) -> None:
        self.files = files
        self.lyrics = lyrics
        self.factors, self.marks = units
        values = (v for series in (source.artists or list)() for v in _distinct(series))
        self.artists = ArtistKeys.from_values(values, source.separators)
        self.lyrics_cleaned = self.lyrics_left_out = 0
        self.languages: Counter[str] = Counter()
        self.dates = UnreadDates()
        self.report = LyricsReport()
        self.repeats = Repeats(duplicates, self._survey(source))

    def checked(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The valid tracks of some rows, and the rejected rows."""
        if self.lyrics.detect_language and LANGUAGE in rows:
            raise UserError(
                f"The source has a column {LANGUAGE}: languages are detected where there is none"
            )
        tracks = rows.assign(source_row=rows.index, track_id=read_ids(rows["track_id"]))
        refused = []
        escaped = pd.Series(False, index=tracks.index)
        for each in self.files:
            tracks[each.name], escaping = each.of(tracks)
            outside = tracks.loc[escaping & ~escaped, ["track_id", "source_row"]]
            reason = f"its path leads out of {each.folder}"
            refused.append(outside.assign(field=each.name, reason=reason))
            escaped |= escaping
        if "lyrics" in tracks:
            tracks["lyrics"] = joined_lines(tracks["lyrics"])
        else:
            tracks["lyrics"] = pd.Series(pd.NA, index=tracks.index, dtype="string")
        inside = tracks[~escaped]
        cleaned = clean_rows(inside, lyrics=self.lyrics, factors=self.factors, marks=self.marks)
        self._count_lyrics(inside["lyrics"], cleaned.rows["lyrics"])
        if "release_date" in inside:
            self.dates.add(inside["release_date"], cleaned.rows["release_date"])
        good, rejected = validate(cleaned, self.repeats)
        if self.lyrics.detect_language:
            self.languages.update(good[LANGUAGE].dropna())
        self.report.add(good, tracks["lyrics"].reindex(good["source_row"]))
        column = next((name for name in ARTIST_COLUMNS if name in good), None)
        if column is not None:
            good["artist_keys"] = self._keys(good[column])
        return good, pd.concat([*refused, rejected]).sort_values("source_row", kind="stable")

    def _survey(self, source: TrackSource) -> Iterator[pd.DataFrame]:
        """Id and popularity of every valid row, read before the tracks."""
        for rows in source.tracks():
            tracks = rows.assign(track_id=read_ids(rows["track_id"]))
            for each in self.files:
                tracks = tracks[~each.escaping(tracks)]
            plain = tracks.drop(columns="lyrics", errors="ignore")
            good, _ = usable(clean_rows(plain, factors=self.factors, marks=self.marks))
            yield good[["track_id", "popularity"]]

    def _keys(self, values: pd.Series[Any]) -> pd.Series[Any]:
        if _hashable(values):
            known = {value: self.artists.of(value) for value in values.dropna().unique()}
            return values.map(lambda value: known.get(value, [])).astype(object)
        return values.map(self.artists.of).astype(object)

    def _count_lyrics(self, before: pd.Series[Any], after: pd.Series[str]) -> None:
        there = before.notna() & (before.astype("string").str.strip() != "")
        self.lyrics_left_out += int((there & after.isna()).sum())
        changed = before.astype("string").str.strip() != after
        self.lyrics_cleaned += int((there & after.notna() & changed).fillna(False).sum())

    def _languages_note(self) -> str:
        if not self.languages:
            return "no language was detected: there are no lyrics of some length"
        shown = ", ".join(f"{code} {n:,}" for code, n in self.languages.most_common(SHOWN))
        more = len(self.languages) - SHOWN
        return (
            f"languages detected in the lyrics of {number_of_tracks(self.languages.total())}: "
            f"{shown}{f' and {more} others' if more > 0 else ''}"
        )

    def notes(self, synthetic: bool) -> list[str]:
        """Notes on the source."""
        notes = []
        if self.lyrics_left_out:
            left_out = self.lyrics_left_out
            are = (
                "text is a notice or placeholder"
                if left_out == 1
                else "texts are notices or placeholders"
            )
            notes.append(f"{left_out:,} {are}, not lyrics")
        if self.lyrics_cleaned:
            notes.append(
                f"page furniture, time stamps or headings were removed from the lyrics of "
                f"{number_of_tracks(self.lyrics_cleaned)}"
            )
        if self.lyrics.detect_language:
            notes.append(self._languages_note())
        if self.artists.split:
            name = "text names" if self.artists.split == 1 else "texts name"
            notes.append(
                f"{self.artists.split:,} {name} several artists, for example "
                f"{self.artists.example!r}"
            )
        notes += self.dates.notes()
        return [*notes, *self.report.notes(synthetic=synthetic), *self.repeats.notes()]


def _hashable(values: pd.Series[Any]) -> bool:
    """Whether the values are texts, so that equal ones are processed only once."""
    texts = isinstance(values.dtype, pd.StringDtype)
    return texts or all(isinstance(value, str) for value in values.dropna())


def _distinct(values: pd.Series[Any]) -> Iterable[Any]:
    return values.unique() if _hashable(values) else values


@dataclass
class _Counts:
    """The result of an import, counted in chunks."""

    source_rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    with_audio: int = 0
    with_files: dict[str, int] = field(default_factory=dict)
    with_lyrics: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    first_rejected: str = ""
    lowest: float = math.inf
    highest: float = -math.inf
    kept: int = 0

    def add(self, source_rows: int, kept: pd.DataFrame | None, rejected: pd.DataFrame) -> None:
        self.source_rows += source_rows
        self.rejected.update(rejected["field"])
        self.duplicates += int(rejected["reason"].str.startswith(REPEATED).sum())
        if len(rejected) and not self.first_rejected:
            first = rejected.iloc[0]
            self.first_rejected = f"row {first['source_row']}: {first['reason']}"
        if kept is not None and len(kept):
            self.kept += len(kept)
            self.with_audio += int(kept["audio"].notna().sum())
            self.with_lyrics += int(kept["lyrics"].notna().sum())
            for name in self.with_files:
                self.with_files[name] += int(kept[name].notna().sum())
            fields = [name for name in kept if name not in (*INPUTS, *self.with_files)]
            self.missing.update({str(name): int(kept[name].isna().sum()) for name in fields})
            self.lowest = min(self.lowest, float(kept["popularity"].min()))
            self.highest = max(self.highest, float(kept["popularity"].max()))

    def notes(self) -> list[str]:
        """Notes on unusual popularity values."""
        if self.kept > 1 and self.lowest == self.highest:
            return [f"every track has the popularity {self.lowest:g}: there is nothing to learn"]
        if self.kept > 1 and self.highest <= 1:
            return [
                f"popularity never exceeds {self.highest:g}: if it is from 0 to 1, use "
                "--popularity-scale 100"
            ]
        if self.kept >= FEWEST_FOR_SCALE and self.highest <= LOWEST_OF_A_HUNDRED:
            return [
                f"popularity never exceeds {self.highest:g} of 100: if it is on another scale, use "
                f"--popularity-scale, 10 for one from 0 to 10"
            ]
        return []

    def to_json(self) -> dict[str, Any]:
        """The fields of `ImportSummary` that are also in `corpus.json`."""
        # By hand: the fields that `corpus.json` has, in its order and without zeros.
        return {
            "source_rows": self.source_rows,
            "rejected": dict(sorted(self.rejected.items())),
            "with_audio": self.with_audio,
            "with_files": self.with_files,
            "with_lyrics": self.with_lyrics,
            "missing": {name: count for name, count in self.missing.items() if count},
        }


FEWEST_FOR_SCALE = 30
LOWEST_OF_A_HUNDRED = 10
"""Number of tracks from which on a highest popularity up to this is noted."""

ARTIST_COLUMNS = ("artist_ids", "artist_id", "artists", "artist_name")
"""Columns with artists, in order of preference."""


def _ordered(tracks: pd.DataFrame, files: Sequence[str]) -> pd.DataFrame:
    first = [c for c in (*INPUTS, *files, "title", "artist_name", *STANDARD) if c in tracks]
    first = list(dict.fromkeys(first))
    return tracks[[*first, *(c for c in tracks if c not in first)]]

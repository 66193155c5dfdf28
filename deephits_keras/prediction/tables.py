"""Tables of songs to predict, one chunk in memory at a time.

A table is read as `import` reads it, with the columns and units of the run's corpus, so that the
table that a model was trained on gives the predictions of its evaluation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.artists import ArtistKeys
from deephits_keras.corpus.finishing import ARTIST_COLUMNS
from deephits_keras.corpus.importing import TableReader
from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.corpus.reading import open_alike
from deephits_keras.corpus.recordings import Recordings
from deephits_keras.corpus.values import STANDARD, clean_rows, is_unknown
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input, names_of
from deephits_keras.errors import UserError
from deephits_keras.features.words import KnownWords
from deephits_keras.tracks import Track

UNREAD = ("track_id", "popularity")
"""Columns that no encoder reads."""

ARTIST_KEYS = "artist_keys"
"""The field with the keys of a track's artists."""


@dataclass(frozen=True)
class RejectedRow:
    """A row that can't be read.

    Attributes:
        track_id: Its id, or the number of the row.
        reason: Reason, with the field.
    """

    track_id: str
    reason: str


class TrackTable:
    """A table of songs, read as `import` reads it; yields a track or `RejectedRow` per row.

    Args:
        source: The table, of any kind that `import table` reads.
        folders: Folder of the files of each input, by input name: files named after the track ids,
            or the paths in the column of that name. By default paths are relative to the table's
            folder.
        inputs: Inputs of the encoders.
        reading: How the run's corpus was read (`Corpus.reading`).

    Attributes:
        notes: Notes on recognised columns and missing fields; complete after the last row.

    Raises:
        UserError: if the table can't be read, or a folder is given that no encoder reads.
    """

    def __init__(
        self,
        source: Path,
        folders: Mapping[str, Path] | None = None,
        inputs: Collection[Input] = (),
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        reading = reading or {}
        table = open_alike(source, reading.get("encoding"))
        self._reader = TableReader(table, source, {}, required=(), reading=reading)
        self._lyrics = LyricsCleaning(**reading.get("lyrics", {}))
        kinds = {AUDIO.name: AUDIO} | {each.name: each for each in inputs if each.kind == "file"}
        if unknown := set(folders or {}) - set(kinds):
            raise UserError(
                f"--input-dir {min(unknown)}: no encoder of this run reads such a file. "
                f"Files that are read: {', '.join(kinds)}"
            )
        self._texts = list(dict.fromkeys([LYRICS.name, *names_of(inputs, "text")]))
        fields = [name for name in names_of(inputs, "field") if name not in self._texts]
        self._valued = [*fields, *names_of(inputs, "text")]
        self._base = source.parent.resolve()
        named = set(self._reader.found.names.values())
        starts = {n: source.parent for n in kinds if n in named} | dict(folders or {})
        self._files = [
            Recordings(starts.get(n), self._base, self._reader.track_ids(), kind)
            for n, kind in kinds.items()
        ]
        values = (value for part in self._reader.artists() for value in part)
        self._artists = ArtistKeys.from_values(values, reading.get("separators", ()))
        self._read = names_of(inputs, "file")
        self._seen: set[str] = set()
        self._absent: dict[str, tuple[int, str]] = {}
        self.notes: list[str] = []

    def count(self) -> int:
        """Number of rows, some of which may be malformed; reads one column of the table."""
        narrow = self._reader.table.columns[:1]
        count = 0
        for rows in self._reader.table.chunks(narrow):
            # Rows without a value of that column are left out, but numbered.
            count = int(rows.index[-1]) + 1
        return count

    def __iter__(self) -> Iterator[Track | RejectedRow]:
        """Read the rows."""
        for chunk in self.chunks():
            yield from chunk.rows()

    def chunks(self) -> Iterator[TableChunk]:
        """Read the rows, many at a time."""
        self._seen = set()
        self._absent.clear()
        start = 0
        for rows in self._reader.tracks():
            stop = int(rows.index[-1]) + 1
            yield self._chunk(rows, start, stop)
            start = stop
        yield from self._behind(start)
        found = self._reader.found.recognised
        self.notes = [f"{old} is taken for {new}" for new, old in found.items()]
        self.notes += self._reader.unit_notes
        self.notes += [
            each.none_there(*self._absent[each.name])
            for each in self._files
            if each.name in self._absent and each.name in self._read
        ]
        for each in self._files:
            if each.name in self._read and each.name not in self._seen:
                self.notes += each.none_found()
        if lacking := [name for name in self._valued if name not in self._seen]:
            self.notes.append(f"no row has a value of {', '.join(lacking)}")

    def _behind(self, start: int) -> Iterator[TableChunk]:
        """Malformed rows behind the last chunk, and those without a number."""
        malformed = self._reader.table.malformed
        numbers = malformed["source_row"]
        last = malformed[(numbers >= start).fillna(False)]
        if len(last):
            told = dict(zip(last["source_row"], last["reason"], strict=True))
            places = range(start, 1 + int(max(told)))
            yield TableChunk(self, pd.DataFrame(), None, _rejected(places, told), places)
        for reason in malformed.loc[numbers.isna(), "reason"]:
            place, _, rest = str(reason).partition(": ")
            rejected = RejectedRow(place, rest or str(reason))
            yield TableChunk(self, pd.DataFrame(), None, {0: rejected}, range(1))

    def _chunk(self, rows: pd.DataFrame, start: int, stop: int) -> TableChunk:
        ids = rows["track_id"].fillna("")
        if (nameless := ids == "").any():
            ids = ids.where(~nameless, [f"row {n}" for n in rows.index])
        rows = rows.assign(track_id=ids)
        reasons: dict[int, str] = {}
        for each in self._files:
            paths, escaping = each.of(rows)
            absent = each.absent(rows, paths)
            if len(absent):
                count, example = self._absent.get(
                    each.name, (0, str(rows[each.name][absent.index[0]]))
                )
                self._absent[each.name] = count + len(absent), example
            # Kept, so that the row's answer says that it isn't there.
            rows[each.name] = paths.fillna(absent)
            for row in rows.index[escaping]:
                reasons.setdefault(row, f"its {each.name} leads out of {each.folder}")
        cleaned = clean_rows(
            rows,
            required=False,
            lyrics=self._lyrics,
            factors=self._reader.factors,
            marks=self._reader.marks,
        )
        for row, _, reason in cleaned.problems.itertuples(index=False):
            reasons.setdefault(row, reason)
        named = cleaned.rows["track_id"]
        rejected = {row: RejectedRow(str(named[row]), reasons[row]) for row in reasons}
        if len(rows) < stop - start:
            malformed = self._reader.table.malformed.dropna(subset="source_row")
            told = dict(zip(malformed["source_row"], malformed["reason"], strict=True))
            rejected |= _rejected(set(range(start, stop)) - set(rows.index), told)
        column = next((n for n in ARTIST_COLUMNS if n in cleaned.rows), None)
        artists = cleaned.rows[column] if column else None
        kept = cleaned.rows
        if reasons:
            kept = kept.drop(index=list(reasons))
        self._seen.update(
            str(name) for name in kept if name not in self._seen and kept[name].notna().any()
        )
        return TableChunk(self, kept, artists, rejected, range(start, stop))

    def keys_of(self, artists: Any) -> list[str]:
        """Keys of the artists of a row."""
        return self._artists.of(artists)

    def track_of(self, values: Mapping[Any, Any], keys: list[str] | None) -> Track:
        """The track of a row's values."""
        files = {each.name for each in self._files}
        known = {str(n): _plain(v) for n, v in values.items() if not _absent(v)}
        apart = {"track_id", "popularity", *files, *self._texts}
        fields = {name: value for name, value in known.items() if name not in apart}
        if keys is not None:
            fields[ARTIST_KEYS] = keys
        return Track(
            id=str(values["track_id"]),
            fields=fields,
            files={name: self._base / known[name] for name in files if name in known},
            texts={name: str(known[name]) for name in self._texts if name in known},
        )


class TableChunk:
    """Some rows of a table, with converted values.

    Args:
        table: The table.
        kept: The rows that can be used, by standard names and numbers.
        artists: The rows' artists, or None.
        rejected: The others, by number.
        numbers: Numbers of all rows.
    """

    def __init__(
        self,
        table: TrackTable,
        kept: pd.DataFrame,
        artists: pd.Series[Any] | None,
        rejected: Mapping[int, RejectedRow],
        numbers: range,
    ) -> None:
        self.table, self.kept, self.rejected, self.numbers = table, kept, rejected, numbers
        self._artists = artists
        self._new_words: tuple[KnownWords, dict[str, dict[int, str]]] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self) -> Iterator[Track | RejectedRow]:
        """The rows, one by one."""
        tracks = self._tracks()
        for number in self.numbers:
            yield self.rejected[number] if number in self.rejected else next(tracks)

    def _tracks(self) -> Iterator[Track]:
        for row, values in zip(self.kept.index, self.kept.to_dict("records"), strict=True):
            keys = None if self._artists is None else self.table.keys_of(self._artists[row])
            yield self.table.track_of(values, keys)

    def places(self) -> np.ndarray[Any, Any]:
        """`(kept,)` positions of the rows that can be used among all rows of the chunk."""
        return self.kept.index.to_numpy(dtype=np.int64) - self.numbers.start

    def field(self, name: str) -> np.ndarray[Any, Any] | None:
        """`(kept,)` values of a field, as `ModalityEncoder.extract_fields` takes them; or None."""
        if name == ARTIST_KEYS and self._artists is not None:
            found = np.empty(len(self.kept), dtype=object)
            found[:] = [self.table.keys_of(self._artists[row]) for row in self.kept.index]
            return found
        if name not in self.kept or name in UNREAD:
            return None
        values = self.kept[name]
        if name in STANDARD:
            return values.to_numpy(dtype=np.float64)
        found = np.empty(len(values), dtype=object)
        found[:] = [None if _absent(value) else _plain(value) for value in values]
        return found

    def new_words(self, words: KnownWords) -> dict[str, dict[int, str]]:
        """The words that no training track has, by field and by row that can be used.

        The last result is kept: the catalogue and its answers both ask.
        """
        if self._new_words is None or self._new_words[0] is not words:
            columns = {name: self.field(name) for name in words.words}
            found = {n: words.new_in(n, v) for n, v in columns.items() if v is not None}
            self._new_words = words, found
        return self._new_words[1]

    def known(self, name: str) -> np.ndarray[Any, Any]:
        """`(kept,)` bool, which rows have a value of a field."""
        values = self.field(name)
        if values is None:
            return np.zeros(len(self.kept), dtype=bool)
        if values.dtype != object:
            return np.asarray(~np.isnan(values))
        return np.array([not is_unknown(value) for value in values], dtype=bool)

    def texts(self, name: str) -> list[str]:
        """Values of a column as texts, empty where unknown."""
        if name not in self.kept:
            return [""] * len(self.kept)
        values = self.kept[name]
        if isinstance(values.dtype, pd.StringDtype):
            return values.fillna("").astype(object).tolist()
        plain = (_plain(value) for value in values.tolist())
        return ["" if _absent(value) or not value else str(value) for value in plain]


def _rejected(numbers: Iterable[int], told: Mapping[Any, Any]) -> dict[int, RejectedRow]:
    """Rows that aren't read, with the reason if there is one."""
    return {
        number: RejectedRow(f"row {number}", str(told.get(number, "the row is blank")))
        for number in numbers
    }


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _plain(value: Any) -> Any:
    """A value as stored in a corpus."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value

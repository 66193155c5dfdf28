"""Tables of songs to predict, one chunk in memory at a time.

A table is read as `import` reads it, with the columns and units of the run's corpus, so that the
table that a model was trained on gives the predictions of its evaluation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.artists import ArtistKeys
from deephits_keras.corpus.finishing import ARTIST_COLUMNS
from deephits_keras.corpus.importing import TableReader
from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.corpus.reading import open_table
from deephits_keras.corpus.recordings import Recordings
from deephits_keras.corpus.values import clean_rows
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input, names_of
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track


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
        reading: `columns` and `factors` of the run's `corpus.json`.

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
        table = open_table(source)
        self._reader = TableReader(table, source, {}, required=(), reading=reading)
        self._lyrics = LyricsCleaning(**reading.get("lyrics", {}))
        kinds = {AUDIO.name: AUDIO} | {each.name: each for each in inputs if each.kind == "file"}
        if unknown := set(folders or {}) - set(kinds):
            raise UserError(
                f"--input-dir {min(unknown)}: no encoder of this run reads such a file. "
                f"Files that are read: {', '.join(kinds)}"
            )
        self._texts = list(dict.fromkeys([LYRICS.name, *names_of(inputs, "text")]))
        self._fields = [name for name in names_of(inputs, "field") if name not in self._texts]
        self._base = source.parent.resolve()
        named = set(self._reader.found.names.values())
        starts = {n: source.parent for n in kinds if n in named} | dict(folders or {})
        self._files = [
            Recordings(starts.get(n), self._base, self._reader.track_ids(), kind)
            for n, kind in kinds.items()
        ]
        values = (value for part in self._reader.artists() for value in part)
        self._artists = ArtistKeys.from_values(values, reading.get("separators", ()))
        self._seen: set[str] = set()
        self.notes: list[str] = []

    def count(self) -> int:
        """Number of rows, some of which may be malformed; reads one column of the table."""
        narrow = self._reader.table.columns[:1]
        return sum(len(rows) for rows in self._reader.table.chunks(narrow))

    def __iter__(self) -> Iterator[Track | RejectedRow]:
        """Read the rows."""
        self._seen = set()
        start = 0
        for rows in self._reader.tracks():
            yield from self._with_gaps(rows, start)
            start = int(rows.index[-1]) + 1
        malformed = self._reader.table.malformed
        for reason in malformed.loc[malformed["source_row"].isna(), "reason"]:
            place, _, told = str(reason).partition(": ")
            yield RejectedRow(place, told or str(reason))
        found = self._reader.found.recognised
        self.notes = [f"{old} is taken for {new}" for new, old in found.items()]
        self.notes += self._reader.unit_notes
        if lacking := [name for name in self._fields if name not in self._seen]:
            self.notes.append(f"no row has a value of {', '.join(lacking)}")

    def _with_gaps(self, rows: pd.DataFrame, start: int) -> Iterator[Track | RejectedRow]:
        """The rows, and in their places those that hold nothing or couldn't be read."""
        malformed = self._reader.table.malformed.dropna(subset="source_row")
        told = dict(zip(malformed["source_row"], malformed["reason"], strict=True))
        answers = dict(zip(rows.index, self._of(rows), strict=True))
        for number in range(start, int(rows.index[-1]) + 1):
            reason = str(told.get(number, "the row is blank"))
            yield answers.get(number) or RejectedRow(f"row {number}", reason)

    def _of(self, rows: pd.DataFrame) -> Iterator[Track | RejectedRow]:
        ids = rows["track_id"].fillna("")
        rows = rows.assign(track_id=ids.where(ids != "", [f"row {n}" for n in rows.index]))
        reasons: dict[Any, str] = {}
        for each in self._files:
            rows[each.name], escaping = each.of(rows)
            for row in rows.index[escaping]:
                reasons.setdefault(row, f"its {each.name} leads out of {each.folder}")
        cleaned = clean_rows(
            rows, required=False, lyrics=self._lyrics, factors=self._reader.factors
        )
        for row, _, reason in cleaned.problems.itertuples(index=False):
            reasons.setdefault(row, reason)
        column = next((n for n in ARTIST_COLUMNS if n in cleaned.rows), None)
        keys = cleaned.rows[column].map(self._artists.of) if column else None
        for row, values in zip(cleaned.rows.index, cleaned.rows.to_dict("records"), strict=True):
            track_id = str(values["track_id"])
            if row in reasons:
                yield RejectedRow(track_id, reasons[row])
            else:
                yield self._track(track_id, values, None if keys is None else keys[row])

    def _track(self, track_id: str, values: dict[Any, Any], keys: list[str] | None) -> Track:
        files = {each.name for each in self._files}
        known = {str(n): _plain(v) for n, v in values.items() if not _absent(v)}
        apart = {"track_id", "popularity", *files, *self._texts}
        fields = {name: value for name, value in known.items() if name not in apart}
        if keys is not None:
            fields["artist_keys"] = keys
        self._seen.update(fields)
        return Track(
            id=track_id,
            fields=fields,
            files={name: self._base / known[name] for name in files if name in known},
            texts={name: str(known[name]) for name in self._texts if name in known},
        )


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _plain(value: Any) -> Any:
    """A value as stored in a corpus."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value

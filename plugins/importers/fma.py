"""FMA: the Free Music Archive's metadata, with three header lines and zero-padded recordings."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.corpus.importers import Importer, one_of
from deephits_keras.errors import DeepHitsError, UserError

from .files import FileRows
from .tables import write_rows

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.corpus.finishing import TrackSource

FIELDS = {
    ("track", "title"): "title",
    ("artist", "name"): "artist_name",
    ("artist", "id"): "artist_id",
    ("album", "title"): "album_name",
    ("album", "type"): "album_type",
    ("album", "date_released"): "release_date",
    ("track", "genre_top"): "genre",
    ("track", "language_code"): "language",
    ("track", "duration"): "duration_ms",
    ("track", "listens"): "listens",
    ("track", "favorites"): "favorites",
    ("track", "interest"): "interest",
    ("set", "subset"): "subset",
}
HEADERS = 3


class FreeMusicArchive(Importer):
    """Tracks of the Free Music Archive; popularity is the rank of a track's plays, 0 to 100.

    Recordings are named after the track's number, padded with zeros to six digits, as in
    `fma_small/000/000002.mp3`: give the folder with `--audio`.
    """

    name = "fma"
    summary = "Free Music Archive: tracks.csv with three header lines; recordings by number"
    layout = (
        "tracks.csv of fma_metadata. Popularity is the share of tracks with fewer plays, times "
        "100: plays have no upper end"
    )
    citation = (
        "Defferrard, M., Benzi, K., Vandergheynst, P., Bresson, X. (2017). FMA: A Dataset for "
        "Music Analysis. ISMIR."
    )
    later = ("listens", "favorites", "interest")

    def open(self, source: Path) -> TrackSource:
        """The tracks, ranked by their plays; see the base class."""
        import numpy as np
        import pyarrow as pa

        from deephits_keras.corpus.finishing import TrackSource

        path = one_of(source, ("tracks.csv", "fma_metadata/tracks.csv"), self.name)
        columns = _columns(path)
        kinds = dict.fromkeys(["track_id", *columns.values()], pa.string())
        rows = FileRows([path], lambda file: _rows(file, columns), kinds)
        plays = np.sort([_plays(row["listens"]) for row in _rows(path, columns)])

        def tracks() -> Iterator[pd.DataFrame]:
            for chunk in rows.chunks():
                mine = chunk["listens"].map(_plays).to_numpy(np.float64)
                below = np.searchsorted(plays, mine, side="left")
                chunk["popularity"] = 100 * below / max(1, len(plays) - 1)
                seconds = chunk["duration_ms"]
                chunk["duration_ms"] = seconds.where(seconds.isna(), seconds + "000")
                chunk["release_date"] = chunk["release_date"].str[:10]
                yield chunk

        return TrackSource([rows], tracks, rows.track_ids, kinds)

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Four tracks under three header lines."""
        above = ",".join(["", *(group for group, _ in FIELDS)])
        below = ",".join(["", *(field for _, field in FIELDS)])
        blank = "track_id" + "," * len(FIELDS)
        values = [
            f"{n},Song {n},Artist {n % 2},{n % 2},Album,Album,2009-01-05 00:00:00,Rock,en,168,"
            f"{plays},2,100,small"
            for n, plays in ((2, 1293), (3, 514), (5, 1151), (140, 8))
        ]
        return write_rows(
            folder / "tracks.csv", "\n".join([above, below, blank, *values, ""])
        ).parent


def _columns(path: Path) -> dict[int, str]:
    """Place of each column that is read, with its standard name."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        heads = [row for row, _ in zip(reader, range(HEADERS), strict=False)]
    if len(heads) < HEADERS or heads[2][:1] != ["track_id"]:
        raise UserError(f"{path} is not FMA's tracks.csv: its third line must begin with track_id")
    pairs = list(zip(heads[0], heads[1], strict=False))
    found = {place: FIELDS[pair] for place, pair in enumerate(pairs) if pair in FIELDS}
    if "listens" not in found.values():
        raise UserError(f"{path} is not FMA's tracks.csv: it has no column listens of track")
    return found


def _rows(path: Path, columns: Mapping[int, str]) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        for _ in range(HEADERS):
            next(reader)
        try:
            for row in reader:
                if row and row[0].strip():
                    named = {name: row[place] or None for place, name in columns.items()}
                    yield {"track_id": f"{int(row[0]):06d}", **named}
        except (csv.Error, IndexError, ValueError) as error:
            raise DeepHitsError(f"line {reader.line_num}: {error}") from error


def _plays(listens: str | None) -> float:
    try:
        return float(listens or 0)
    except ValueError:
        return 0.0

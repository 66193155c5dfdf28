"""The Million Song Dataset: its subset of HDF5 files, its summary file, and a CSV of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deephits_keras.corpus.importers import Importer, walked
from deephits_keras.errors import DeepHitsError, UserError

from .files import FileRows
from .tables import source_of

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.corpus.finishing import TrackSource

GROUPS = {
    "metadata": {
        "song_id": "song_id",
        "title": "title",
        "artist_id": "artist_id",
        "artist_name": "artist_name",
        "release": "album_name",
        "song_hotttnesss": "popularity",
        "artist_hotttnesss": "artist_popularity",
        "artist_familiarity": "artist_familiarity",
    },
    "analysis": {
        "track_id": "track_id",
        "duration": "duration_ms",
        "tempo": "tempo",
        "key": "key",
        "mode": "mode",
        "loudness": "loudness",
        "time_signature": "time_signature",
    },
    "musicbrainz": {"year": "release_year"},
}
"""Fields of the table `songs` of each group, with their standard names."""

CSV_COLUMNS = {
    "song.id": "track_id",
    "title": "title",
    "song.title": "title",
    "artist.id": "artist_id",
    "artist.name": "artist_name",
    "release.name": "album_name",
    "song.hotttnesss": "popularity",
    "song.hottness": "popularity",
    "artist.hotttnesss": "artist_popularity",
    "artist.familiarity": "artist_familiarity",
    "familiarity": "artist_familiarity",
    "duration": "duration_ms",
    "song.duration": "duration_ms",
    "tempo": "tempo",
    "song.tempo": "tempo",
    "key": "key",
    "song.key": "key",
    "mode": "mode",
    "song.mode": "mode",
    "loudness": "loudness",
    "song.loudness": "loudness",
    "time_signature": "time_signature",
    "song.time_signature": "time_signature",
    "year": "release_year",
    "song.year": "release_year",
}
"""Columns of the CSV that the CORGIS project makes of the subset, in both of its spellings."""

AT_ONCE = 4096
"""Songs of a summary file in memory at a time."""


class MillionSongs(Importer):
    """Songs with `song_hotttnesss`, times 100, as popularity.

    Energy and danceability are zero everywhere in the published files, and so left out. Year 0 and
    a hotttnesss that isn't a number are unknown; a song without one can't be used.
    """

    name = "msd"
    summary = "Million Song Dataset: HDF5 files, the summary file, or the CSV of the subset"
    layout = (
        "A folder of TR*.h5 files at any depth, a summary file (.h5), or music.csv. Popularity is "
        "song_hotttnesss x 100, artist popularity is artist_hotttnesss x 100"
    )
    citation = (
        "Bertin-Mahieux, T., Ellis, D. P. W., Whitman, B., Lamere, P. (2011). The Million Song "
        "Dataset. ISMIR."
    )
    later: ClassVar[tuple[str, ...]] = ("artist_popularity", "artist_familiarity")

    def open(self, source: Path) -> TrackSource:
        """The songs of every HDF5 file, or of the CSV; see the base class."""
        import pyarrow as pa

        from deephits_keras.corpus.finishing import TrackSource
        from deephits_keras.corpus.reading import open_table

        table = source if source.suffix == ".csv" else source / "music.csv"
        if table.is_file():
            opened = open_table(table)
            columns = {n: CSV_COLUMNS[n] for n in opened.columns if n in CSV_COLUMNS}
            absent = {"track_id", "popularity"} - set(columns.values())
            if absent:
                raise UserError(
                    f"{table} doesn't have the layout of msd: it has no song.id or hotttnesss"
                )
            return source_of(opened, columns, _scaled)
        paths = [source] if source.is_file() else list(walked(source, ".h5"))
        if not paths:
            raise UserError(
                f"{source} doesn't have the layout of msd: it holds no .h5 and no music.csv"
            )
        texts = ("song_id", "title", "artist_id", "artist_name", "album_name", "track_id")
        names = [name for fields in GROUPS.values() for name in fields.values()]
        kinds = {name: pa.string() if name in texts else pa.float64() for name in names}
        rows = FileRows(paths, _songs, kinds)

        def tracks() -> Iterator[pd.DataFrame]:
            yield from map(_scaled, rows.chunks())

        return TrackSource([rows], tracks, rows.track_ids, kinds)

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Four files of one song each, the last without a hotttnesss."""
        import h5py
        import numpy as np

        for number, hot in enumerate((0.5, 0.75, 0.0, np.nan)):
            name = f"TRAAA{number:013d}"
            path = folder / "data" / "A" / "A" / f"{name}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            values: dict[str, list[Any]] = {
                "metadata": [b"SO%d" % number, b"Song", b"AR0", b"Ada", b"Album", hot, 0.4, 0.6],
                "analysis": [name.encode(), 210.5, 120.0, number, 1, -7.5, 4],
                "musicbrainz": [1999 if number else 0],
            }
            with h5py.File(path, "w") as file:
                for group, fields in GROUPS.items():
                    kinds = [
                        (field, "S40" if isinstance(value, bytes) else "f8")
                        for field, value in zip(fields, values[group], strict=True)
                    ]
                    row = np.array([tuple(values[group])], dtype=kinds)
                    file.create_dataset(f"{group}/songs", data=row)
        return folder


def _songs(path: Path) -> Iterator[Mapping[str, Any]]:
    """The songs of one HDF5 file, in the file's own units."""
    import h5py

    try:
        with h5py.File(path) as file:
            count = len(file["metadata/songs"])
            for start in range(0, count, AT_ONCE):
                part = slice(start, start + AT_ONCE)
                columns = {
                    standard: file[f"{group}/songs"][field][part]
                    for group, fields in GROUPS.items()
                    for field, standard in fields.items()
                }
                for row in zip(*columns.values(), strict=True):
                    yield {
                        name: value.decode("utf-8", "replace")
                        if isinstance(value, bytes)
                        else value
                        for name, value in zip(columns, row, strict=True)
                    }
    except (OSError, KeyError, ValueError) as error:
        raise DeepHitsError(
            f"it isn't an HDF5 file of the Million Song Dataset: {error}"
        ) from error


def _scaled(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds become milliseconds, 0-1 becomes 0-100, and 0 or -1 becomes unknown."""
    import pandas as pd

    rows = rows.copy()
    for name in ("popularity", "artist_popularity", "artist_familiarity"):
        if name in rows:
            numbers = pd.to_numeric(rows[name], errors="coerce") * 100
            rows[name] = numbers.mask(numbers < 0)
    if "duration_ms" in rows:
        rows["duration_ms"] = (pd.to_numeric(rows["duration_ms"], errors="coerce") * 1000).round()
    if "release_year" in rows:
        years = pd.to_numeric(rows["release_year"], errors="coerce")
        rows["release_year"] = years.mask(years == 0)
    return rows

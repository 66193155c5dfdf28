"""The importers of this package itself: any table, and SpotGenTrack.

Their further options are those of `import_table` and `import_spotgentrack`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.corpus.importers import Importer
from deephits_keras.utils.files import write_text

if TYPE_CHECKING:
    from deephits_keras.corpus.finishing import ImportSummary, TrackSource


class Table(Importer):
    """Any table of songs with a popularity."""

    name = "table"
    summary = "any table of songs with a popularity: CSV, JSON lines, Parquet, Feather, Excel"
    layout = (
        "One file, or a folder of Parquet files, with a column of popularity; ids, titles, "
        "artists and fields by their usual names. Columns and units are recognised"
    )
    citation = "the source of your table"

    def open(self, source: Path) -> TrackSource:
        """The table's rows under standard names; see the base class."""
        from deephits_keras.corpus.importing import TableReader
        from deephits_keras.corpus.reading import open_table

        return TableReader(open_table(source), source, {}).source()

    def import_into(self, source: Path, folder: Path, **options: Any) -> ImportSummary:
        """As `import_table`; see the base class."""
        from deephits_keras.corpus.importing import import_table

        return import_table(source, folder, **options)

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Three songs; see the base class."""
        lines = (
            "id,title,artist,popularity,tempo",
            "a,One,Ada,63,120",
            "b,Two,Bo,20,",
            "c,X,Cy,5,",
        )
        write_text(folder / "songs.csv", "\n".join(lines) + "\n")
        return folder / "songs.csv"


class SpotGenTrack(Importer):
    """The paper's dataset: tracks, artists and albums of Spotify with lyrics of Genius."""

    name = "spotgentrack"
    summary = "SpotGenTrack, the paper's dataset: Spotify's tracks with lyrics of Genius"
    layout = (
        "A folder with spotify_tracks.csv, spotify_artists.csv and spotify_albums.csv, in it or in "
        "`Data Sources`; recordings in `previews`, named after the track ids"
    )
    citation = (
        "Martín-Gutiérrez, D., Hernández Peñaloza, G., Belmonte-Hernández, A., Álvarez García, F. "
        "(2020). A Multimodal End-to-End Deep Learning Architecture for Music Popularity "
        "Prediction. IEEE Access 8."
    )

    def open(self, source: Path) -> TrackSource:
        """The three tables, joined; see the base class."""
        from deephits_keras.corpus.spotgentrack import joined_tables

        return joined_tables(source)

    def import_into(self, source: Path, folder: Path, **options: Any) -> ImportSummary:
        """As `import_spotgentrack`, with the given filters alone; see the base class."""
        from deephits_keras.corpus.spotgentrack import import_spotgentrack

        return import_spotgentrack(source, folder, **{"filters": (), **options})

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Three songs of two artists; see the base class."""
        tables = {
            "spotify_tracks.csv": (
                "id,name,popularity,artists_id,album_id,lyrics",
                "t0,One,63,['a0'],b0,la la",
                "t1,Two,20,\"['a0', 'a1']\",b0,",
                "t2,Three,5,['a1'],b1,-99",
            ),
            "spotify_artists.csv": ("id,name,artist_popularity", "a0,Ada,70", "a1,Bo,30"),
            "spotify_albums.csv": ("id,release_date", "b0,2019-05-01", "b1,2001"),
        }
        for name, lines in tables.items():
            write_text(folder / name, "\n".join(lines) + "\n")
        return folder

"""MusicOSet: songs of the Billboard charts of 1962 to 2018 with Spotify's popularity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from deephits_keras.corpus.importers import Importer, all_of

from .tables import write_rows

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.corpus.finishing import TrackSource
    from deephits_keras.corpus.lookup import Lookup
    from deephits_keras.corpus.source_table import SourceTable

FILES = ("songs.csv", "tracks.csv", "acoustic_features.csv", "artists.csv", "song_pop.csv")


class MusicOSet(Importer):
    """Five tab-separated tables, joined by song and artist.

    The release date is the album edition's in MusicOSet, and four songs in ten are older than their
    album says: where a song was in the charts in an earlier year, that year counts.
    """

    name = "musicoset"
    summary = "MusicOSet: 20,405 songs of the Billboard charts, with artists and chart years"
    layout = (
        "songs.csv, tracks.csv, acoustic_features.csv, artists.csv and song_pop.csv, separated by "
        "tabs. Popularity is Spotify's; the release year is the earlier of the album's and the "
        "first in the charts"
    )
    citation = (
        "Silva, M. O., Rocha, L. M., Moro, M. M. (2019). MusicOSet: An Enhanced Open Dataset for "
        "Music Data Mining. Dataset Showcase Workshop."
    )
    later: ClassVar[tuple[str, ...]] = (
        "first_chart_year",
        "year_end_score",
        "is_pop",
        "followers",
    )

    def open(self, source: Path) -> TrackSource:
        """Join the tables by song, a chunk of songs at a time; see the base class."""
        import pyarrow as pa

        from deephits_keras.corpus.artists import listed_artists
        from deephits_keras.corpus.finishing import TrackSource
        from deephits_keras.corpus.lookup import Lookup
        from deephits_keras.corpus.reading import open_table

        songs, *others = (open_table(path) for path in all_of(source, FILES, self.name))
        tracks, features, artists, charts = others

        def lookup(table: SourceTable, *columns: str) -> Lookup:
            found = Lookup(*columns[1:])
            for rows in table.chunks():
                named = rows.loc[rows[columns[0]].notna(), list(columns)].astype(object)
                found.add(named.where(named.notna(), None).itertuples(index=False))
            return found

        descriptors = [name for name in features.columns if name != "song_id"]
        by_song = lookup(features, "song_id", *descriptors)
        dates = lookup(tracks, "song_id", "release_date")
        people = lookup(artists, "artist_id", "name", "popularity", "followers", "main_genre")
        years = first_years(charts)

        def joined() -> Iterator[pd.DataFrame]:
            for rows in songs.chunks():
                found = rows.rename(columns={"song_id": "track_id", "song_name": "title"})
                ids = found["track_id"]
                found["artist_ids"] = found.pop("artists").map(lambda t: listed_artists(t) or [])
                main = found["artist_ids"].str[0]
                who = people.among(main.dropna().unique())
                renamed = {
                    "name": "artist_name",
                    "popularity": "artist_popularity",
                    "followers": "followers",
                    "main_genre": "genre",
                }
                for old, new in renamed.items():
                    found[new] = main.map(who[old])
                measured = by_song.among(ids.dropna())
                for name in descriptors:
                    found[name] = ids.map(measured[name])
                released = ids.map(dates.among(ids.dropna())["release_date"])
                chart = years.among(ids.dropna())
                first = ids.map(chart["year"])
                older = first.notna() & (released.isna() | (first < released.str[:4]))
                found["release_date"] = released.mask(older, first)
                found["first_chart_year"] = first
                found["year_end_score"] = ids.map(chart["score"])
                found["is_pop"] = ids.map(chart["is_pop"])
                yield found

        return TrackSource(
            tables=[songs, tracks, features, artists, charts],
            tracks=joined,
            track_ids=lambda: (rows["song_id"] for rows in songs.chunks(["song_id"])),
            types={**songs.types, "artist_ids": pa.list_(pa.string())},
        )

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Three songs; the second was in the charts before its album's date."""
        tables = {
            "songs.csv": (
                "song_id\tsong_name\tbillboard\tartists\tpopularity\texplicit\tsong_type\n"
                "s0\tOne\t('One', 'Ada')\t{'a0': 'Ada'}\t86\tTrue\tSolo\n"
                "s1\tTwo\t('Two', 'Ada')\t{'a0': 'Ada', 'a1': 'Bo'}\t57\tFalse\tCollaboration\n"
                "s2\tThree\t('Three', 'Cy')\t{'a2': 'Cy'}\t12\tFalse\tSolo\n"
            ),
            "tracks.csv": (
                "song_id\talbum_id\ttrack_number\trelease_date\trelease_date_precision\n"
                "s0\tb0\t1\t2019-02-08\tday\ns1\tb1\t2\t1994-11-01\tday\ns2\tb2\t1\t1963\tyear\n"
            ),
            "acoustic_features.csv": (
                "song_id\tduration_ms\tkey\tmode\ttime_signature\tacousticness\tdanceability\t"
                "energy\tinstrumentalness\tliveness\tloudness\tspeechiness\tvalence\ttempo\n"
                "s0\t207320\t1\t1\t4\t0.229\t0.717\t0.653\t0\t0.101\t-5.634\t0.0658\t0.412\t106.9\n"
                "s1\t201661\t6\t1\t4\t0.297\t0.752\t0.488\t0.1\t0.0936\t-7.05\t0.0705\t0.533\t136\n"
                "s2\t312820\t8\t0\t3\t0.00513\t0.834\t0.73\t0\t0.124\t-3.714\t0.222\t0.446\t155\n"
            ),
            "artists.csv": (
                "artist_id\tname\tfollowers\tpopularity\tartist_type\tmain_genre\tgenres\timage_url"
                "\na0\tAda\t345\t96\tsinger\tpop\t['pop']\t-\na1\tBo\t7\t40\tband\trock\t['rock']"
                "\t-\na2\tCy\t10\t20\tsinger\tjazz\t[]\t-\n"
            ),
            "song_pop.csv": (
                "song_id\tyear_end_score\tis_pop\tyear\n"
                "s0\t5617\tTrue\t2019\ns1\t10\tFalse\t1972\ns1\t900\tTrue\t1971\nx\t1\tFalse\t1980\n"
            ),
        }
        for name, lines in tables.items():
            write_rows(folder / name, lines)
        return folder


def first_years(charts: SourceTable) -> Lookup:
    """First year in the charts of each song, with its score and whether it was a hit then."""
    from deephits_keras.corpus.lookup import Lookup

    best: dict[str, tuple[str, str, str]] = {}
    for rows in charts.chunks():
        columns = (rows[name] for name in ("song_id", "year", "year_end_score", "is_pop"))
        for song, year, score, hit in zip(*columns, strict=True):
            if song not in best or year < best[song][0]:
                best[song] = (year, score, hit)
    found = Lookup("year", "score", "is_pop")
    found.add((song, *values) for song, values in best.items())
    return found

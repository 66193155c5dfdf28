"""AcousticBrainz: one JSON of low-level descriptors per recording, and a table of popularity."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.corpus.importers import Importer, walked
from deephits_keras.errors import DeepHitsError, UserError

from .files import FileRows
from .tables import write_rows

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.corpus.finishing import TrackSource

POPULARITY = "popularity.csv"
PITCHES = {
    "C": 0, "C#": 1, "D": 2, "Eb": 3, "D#": 3, "E": 4, "F": 5, "F#": 6, "G": 7, "Ab": 8, "G#": 8,
    "A": 9, "Bb": 10, "A#": 10, "B": 11,
}  # fmt: skip
LARGEST = 2**24
"""Bytes; a document of AcousticBrainz has some 100 thousand."""


class AcousticBrainz(Importer):
    """Low-level documents named after the recording's MusicBrainz id.

    AcousticBrainz knows no popularity: it comes from a table `popularity.csv` beside the documents
    with the columns `musicbrainz_recordingid` and `popularity` (0-100).
    """

    name = "acousticbrainz"
    summary = "AcousticBrainz low-level JSON documents, with a table of popularity"
    layout = (
        "MBID.json or MBID-N.json at any depth, and popularity.csv (musicbrainz_recordingid, "
        "popularity 0-100) in the folder"
    )
    citation = (
        "Porter, A., Bogdanov, D., Kaye, R., Tsukanov, R., Serra, X. (2015). AcousticBrainz: A "
        "Community Platform for Gathering Music Information Obtained from Audio. ISMIR."
    )

    def open(self, source: Path) -> TrackSource:
        """Every document whose recording the table knows; see the base class."""
        import pyarrow as pa

        from deephits_keras.corpus.finishing import TrackSource
        from deephits_keras.corpus.lookup import Lookup
        from deephits_keras.corpus.reading import open_table

        paths = list(walked(source, ".json"))
        if not paths or not (source / POPULARITY).is_file():
            raise UserError(
                f"{source} doesn't have the layout of {self.name}: it needs documents (*.json) and "
                f"{POPULARITY} with the columns musicbrainz_recordingid and popularity"
            )
        table = open_table(source / POPULARITY)
        absent = {"musicbrainz_recordingid", "popularity"} - set(table.columns)
        if absent:
            raise UserError(f"{source / POPULARITY} has no column {', '.join(sorted(absent))}")
        known = Lookup("popularity")
        for rows in table.chunks():
            known.add(zip(rows["musicbrainz_recordingid"], rows["popularity"], strict=True))
        texts = (
            "track_id",
            "title",
            "artist_name",
            "artist_id",
            "album_name",
            "release_date",
            "genre",
        )
        numbers = ("duration_ms", "loudness", "danceability_raw", "tempo", "key", "mode")
        kinds = {name: pa.string() for name in texts} | {name: pa.float64() for name in numbers}
        documents = FileRows(paths, _document, kinds)

        def tracks() -> Iterator[pd.DataFrame]:
            for rows in documents.chunks():
                popularity = known.among(rows["track_id"].dropna())["popularity"]
                yield rows.assign(popularity=rows["track_id"].map(popularity))

        return TrackSource([documents, table], tracks, documents.track_ids, kinds)

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Three documents and their popularity."""
        lines = "musicbrainz_recordingid,popularity\n"
        for number, (key, scale) in enumerate((("C#", "major"), ("Bb", "minor"), ("A", "minor"))):
            mbid = f"00000000-0000-4000-8000-{number:012d}"
            document = {
                "lowlevel": {"average_loudness": 0.9, "loudness_ebu128": {"integrated": -9.5}},
                "rhythm": {"bpm": 120.5, "danceability": 1.1},
                "tonal": {"key_key": key, "key_scale": scale, "key_strength": 0.7},
                "metadata": {
                    "audio_properties": {"length": 201.25},
                    "tags": {
                        "musicbrainz_recordingid": [mbid],
                        "title": ["Song"],
                        "artist": ["Ada"],
                        "date": ["1999-05-01"],
                    },
                },
            }
            write_rows(folder / mbid[:2] / f"{mbid}-0.json", json.dumps(document))
            lines += f"{mbid},{40 + number}\n"
        write_rows(folder / POPULARITY, lines)
        return folder


def _document(path: Path) -> Iterator[Mapping[str, Any]]:
    """The track of one document."""
    if path.stat().st_size > LARGEST:
        raise DeepHitsError(f"it has more than {LARGEST:,} bytes")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        tags = document["metadata"]["tags"]
        tonal, rhythm = document.get("tonal", {}), document.get("rhythm", {})
        length = document["metadata"]["audio_properties"]["length"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DeepHitsError(f"it isn't a document of AcousticBrainz: {error}") from error

    def tag(*names: str) -> str | None:
        values = next((tags[name] for name in names if tags.get(name)), None)
        return str(values[0]) if isinstance(values, list) else values

    loudness = document.get("lowlevel", {}).get("loudness_ebu128", {})
    yield {
        "track_id": tag("musicbrainz_recordingid", "musicbrainz_trackid") or path.stem[:36],
        "title": tag("title"),
        "artist_name": tag("artist"),
        "artist_id": tag("musicbrainz_artistid"),
        "album_name": tag("album"),
        "release_date": tag("originaldate", "date"),
        "genre": tag("genre"),
        "duration_ms": round(float(length) * 1000),
        "loudness": loudness.get("integrated") if isinstance(loudness, dict) else None,
        "danceability_raw": rhythm.get("danceability"),
        "tempo": rhythm.get("bpm"),
        "key": PITCHES.get(tonal.get("key_key")),
        "mode": {"major": 1, "minor": 0}.get(tonal.get("key_scale")),
    }

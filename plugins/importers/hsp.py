"""The Hit Song Prediction dataset: songs of the Million Song Dataset, matched to the Hot 100."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deephits_keras.corpus.importers import Importer
from deephits_keras.errors import UserError

from .tables import write_rows

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.corpus.finishing import TrackSource

NAMES = (("msd_bb_matches.csv", "msd_bb_non_matches.csv"), ("hsp_hits.csv", "hsp_non_hits.csv"))
"""Hits and others: of the dataset itself, and of the part of it with lyrics (HSP-L)."""

COLUMNS = {
    "msd_id": "track_id",
    "echo_nest_id": "echo_nest_id",
    "artist": "artist_name",
    "title": "title",
    "year": "release_year",
    "peak": "peak",
    "weeks": "weeks",
}
POSITIONS = 100


class HitSongPrediction(Importer):
    """Songs with their peak in the Billboard Hot 100; a song that never was there has 0."""

    name = "hsp"
    summary = "Hit Song Prediction dataset: peak positions in the Billboard Hot 100"
    layout = (
        "msd_bb_matches.csv and msd_bb_non_matches.csv, or hsp_hits.csv and hsp_non_hits.csv. "
        "Popularity is 101 - peak, and 0 for a song that was never in the Hot 100"
    )
    citation = (
        "Zangerle, E., Vötter, M., Huber, R., Yang, Y.-H. (2019). Hit Song Prediction: Leveraging "
        "Low- and High-Level Audio Features. ISMIR."
    )
    later = ("peak", "weeks")

    def open(self, source: Path) -> TrackSource:
        """The rows of hits, then those of the others; see the base class."""
        import pandas as pd

        from deephits_keras.corpus.finishing import TrackSource
        from deephits_keras.corpus.reading import open_table

        pairs = [[source / name for name in names] for names in NAMES]
        found = next((pair for pair in pairs if all(path.is_file() for path in pair)), None)
        if found is None:
            files = " or ".join(" and ".join(names) for names in NAMES)
            raise UserError(f"{source} doesn't have the layout of hsp: it lacks {files}")
        tables = [open_table(path) for path in found]
        for path, table in zip(found, tables, strict=True):
            absent = [c for c in ("msd_id", "artist", "title") if c not in table.columns]
            if absent:
                raise UserError(
                    f"{path} doesn't have the layout of hsp: it has no column {', '.join(absent)}. "
                    f"It has: {', '.join(table.columns)}"
                )

        def tracks() -> Iterator[pd.DataFrame]:
            start = 0
            for table in tables:
                for rows in table.chunks():
                    named = rows.rename(columns=COLUMNS).reindex(columns=list(COLUMNS.values()))
                    peak = pd.to_numeric(named["peak"], errors="coerce")
                    named["popularity"] = (POSITIONS + 1 - peak).where(peak > 0, 0.0)
                    yield named.set_index(pd.RangeIndex(start, start + len(named)))
                    start += len(named)

        return TrackSource(
            tables=tables,
            tracks=tracks,
            track_ids=lambda: (rows["msd_id"] for t in tables for rows in t.chunks(["msd_id"])),
            types={COLUMNS.get(n, n): k for table in tables for n, k in table.types.items()},
        )

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Two hits and two others."""
        head = "msd_id,echo_nest_id,artist,title,year"
        hits = f"{head},peak,weeks\nTR0,SO0,Ada,One,1999,1,20\nTR1,SO1,Bo,Two,2001,100,1\n"
        others = f"{head}\nTR2,SO2,Cy,Three,1998\nTR3,SO3,Di,Four,0\n"
        for name, lines in zip(NAMES[0], (hits, others), strict=True):
            write_rows(folder / name, lines)
        return folder

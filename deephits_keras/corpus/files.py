"""Names of the files in a corpus's folder, known without pandas."""

from __future__ import annotations

FILTERED = "filtered.parquet"
INFO = "corpus.json"
REJECTED = "rejected.csv"
TRACKS = "tracks.parquet"

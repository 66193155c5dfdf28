"""Names of the files in a corpus's folder, known without pandas."""

from __future__ import annotations

from deephits_keras.utils.folders import CORPUS_MARKS

INFO, TRACKS = CORPUS_MARKS
FILTERED = "filtered.parquet"
REJECTED = "rejected.csv"

"""Files that tell what a folder holds; the other names of its files stand in its room's `files`.

Here and not there, as an import of a table must know a run, which is a later room's.
"""

from __future__ import annotations

CORPUS_MARKS = ("corpus.json", "tracks.parquet")
RUN_MARKS = ("config.json", "metrics.json")

MARKS = {"a corpus": CORPUS_MARKS, "a run": RUN_MARKS}
"""Files that a folder has if it is one of these, by what it is."""

"""Duplicate recordings under several ids, and splits that take them into account."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from deephits_keras.corpus.splits import Split
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.types import IntArray

TITLES = ("title", "name")
"""Columns with a song's title."""


def twin_groups(corpus: Corpus) -> IntArray:
    """`(n,)` a group number per track: equal for recordings with equal bytes, and for equal names.

    Names are title and artist, compared without case and surrounding spaces.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys = [_contents(corpus), _names(corpus)]
    edges = []
    for values in keys:
        codes, _ = pd.factorize(values)
        rows = np.flatnonzero(codes >= 0)
        _, first = np.unique(codes[rows], return_index=True)
        edges.append((rows, rows[first][codes[rows]]))
    left, right = (np.concatenate([e[side] for e in edges]) for side in (0, 1))
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(corpus),) * 2)
    _, groups = connected_components(graph, directed=False)
    return np.asarray(groups)


def _names(corpus: Corpus) -> pd.Series[str]:
    title = next((c for c in TITLES if c in corpus.columns), None)
    if title is None or "artist_name" not in corpus.columns:
        return pd.Series([pd.NA] * len(corpus), dtype="string")
    artist, name = (
        corpus.column(c).astype("string").str.strip().str.casefold() for c in ("artist_name", title)
    )
    joined: pd.Series[str] = artist + "\0" + name
    return joined.where(name.ne("") & artist.ne("")).reset_index(drop=True)


def _contents(corpus: Corpus) -> pd.Series[str]:
    """Digests of the recordings whose size in bytes equals that of another one."""
    found = pd.Series([pd.NA] * len(corpus), dtype="string")
    if "audio" not in corpus.columns:
        return found
    by_size: dict[int, list[tuple[int, Path]]] = defaultdict(list)
    for row, name in enumerate(corpus.column("audio").astype("string")):
        if not pd.isna(name) and (path := corpus.folder / name).is_file():
            by_size[path.stat().st_size].append((row, path))
    for same in by_size.values():
        for row, path in same if len(same) > 1 else ():
            with path.open("rb") as file:
                found[row] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def without_twins(split: Split, groups: IntArray) -> Split:
    """A split that keeps every held-out track and removes its duplicates from earlier parts.

    Args:
        split: Any split.
        groups: Result of `twin_groups`.

    Raises:
        UserError: if no training tracks are left.
    """
    seen: set[int] = set()
    parts: dict[str, IntArray] = {}
    for part in ("test", "validation", "train"):
        if part in split.parts:
            rows = split.parts[part]
            parts[part] = rows[~np.isin(groups[rows], list(seen))]
            seen |= set(groups[rows].tolist())
    for part, rows in parts.items():
        if not len(rows):
            raise UserError(f"Every track of the part {part!r} is also held out under another id")
    return Split(
        split.kind, split.seed, {part: parts[part] for part in split.parts}, split.settings
    )

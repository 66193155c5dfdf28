"""Planted causes in lyrics: what a frozen BERT's vector, adapters and whole layers learn of them.

python -m benchmarks.tuned [CAUSE ...]

Each corpus is a table of texts of thirty common English words in random order, in which one thing
decides between two popularities; `deephits train` as it comes, but for the encoder of lyrics.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from transformers import AutoTokenizer

import deephits_keras as dh
from benchmarks.lyrics import checkpoint
from deephits_keras.cli.common import print_table
from deephits_keras.corpus import import_table

TRACKS, WORDS, TOKENS = 800, 30, 48
"""Sizes of a corpus and its texts; a text has fewer pieces than TOKENS unless it is long."""

BRIGHT = ("sunshine", "summer", "laughter", "honey", "carnival", "gold", "dancing", "smile")
DARK = ("winter", "shadows", "silence", "ashes", "sorrow", "thunder", "poison", "grave")

PLANTED = {*BRIGHT, *DARK, "umbrella", "bicycle", "river", "mountain", "silver", "copper"}

Text = list[str]
Draw = np.random.Generator


def _theme(words: Text, cause: bool, draw: Draw) -> Text:
    """Six words of one theme or the other."""
    return _placed(words, draw.choice(BRIGHT if cause else DARK, 6), draw)


def _word(words: Text, cause: bool, draw: Draw) -> Text:
    """One word, or another in its place."""
    return _placed(words, ["umbrella" if cause else "bicycle"], draw)


def _order(words: Text, cause: bool, draw: Draw) -> Text:
    """The same two words, one before the other or after it."""
    first, second = ("river", "mountain") if cause else ("mountain", "river")
    return _placed(words, [first, second], draw)


def _pair(words: Text, cause: bool, draw: Draw) -> Text:
    """Two words, of which neither tells anything alone."""
    which = bool(draw.integers(2))
    pair = ["river" if which else "mountain", "silver" if which == cause else "copper"]
    return _placed(words, list(draw.permutation(pair)), draw)


def _late(words: Text, cause: bool, draw: Draw) -> Text:
    """The theme, after more tokens than are read."""
    return [*words, *itertools.repeat("la", TOKENS), *draw.choice(BRIGHT if cause else DARK, 6)]


CAUSES: dict[str, Callable[[Text, bool, Draw], Text]] = {
    "theme": _theme,
    "word": _word,
    "order": _order,
    "pair": _pair,
    "late": _late,
}

READERS: dict[str, tuple[str, Mapping[str, Any], str]] = {
    "frozen": ("bert_lyrics", {}, "good"),
    "adapters": ("bert_tuned", {}, "fast"),
    "whole": ("bert_tuned", {"rank": 0}, "fast"),
}
"""Encoder, its settings and the quality: a quarter of the epochs is enough for trained layers."""


def _placed(words: Text, special: Any, draw: Draw) -> Text:
    """The words with special ones at random places, in their order."""
    places = np.sort(draw.choice(len(words), len(special), replace=False))
    placed = list(words)
    for place, word in zip(places, special, strict=True):
        placed[place] = str(word)
    return placed


def table(cause: str, common: list[str]) -> pd.DataFrame:
    """Tracks whose popularity is 30 or 70, give or take 5, by the cause."""
    draw = np.random.default_rng(list(CAUSES).index(cause))
    causes = draw.integers(2, size=TRACKS).astype(bool)
    texts = [CAUSES[cause](list(draw.choice(common, WORDS)), which, draw) for which in causes]
    popularity = np.where(causes, 70, 30) + draw.normal(0, 5, TRACKS)
    return pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(TRACKS)],
            "lyrics": [" ".join(text) for text in texts],
            "popularity": popularity.round().clip(0, 100).astype(int),
        }
    )


def measured(cause: str, folder: Path) -> Iterator[tuple[str, ...]]:
    """A row per way to read the lyrics."""
    vocabulary = AutoTokenizer.from_pretrained(str(checkpoint())).get_vocab()
    common = {w for w in vocabulary if w.isascii() and w.isalpha() and 3 < len(w) < 8}
    table(cause, sorted(common - PLANTED)[::20]).to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    for reader, (encoder, settings, quality) in READERS.items():
        given = {"checkpoint": str(checkpoint()), "max_tokens": TOKENS, **settings}
        run = dh.train(
            folder / "corpus",
            folder / reader,
            modalities=f"lyrics={encoder}",
            settings={"lyrics": given},
            task="regression",
            quality=quality,
            split={"kind": "random", "test": 0.3},
        )
        (branch,) = run.architecture.branches
        yield (
            cause,
            reader,
            f"{run.metrics['parts']['test']['regression']['r2']:.3f}",
            f"{len(run.history)}",
            f"{run.config.training_seconds / len(run.history):.1f}",
            f"{branch.parameters:,}",
        )


def main(causes: list[str]) -> None:
    """Measure the named causes, or all, and print a table."""
    rows = []
    for cause in causes or CAUSES:
        with tempfile.TemporaryDirectory() as folder:
            for row in measured(cause, Path(folder)):
                rows.append(row)
                print(" | ".join(row), file=sys.stderr, flush=True)
    columns = ("cause", "lyrics", "test R²", "epochs", "seconds per epoch", "parameters")
    print_table("Planted causes", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a split can't promise: a check by other means than those that it was made with."""

from __future__ import annotations

from deephits_keras.corpus.splits import Split, artist_column, not_placed_apart
from deephits_keras.corpus.table import Corpus
from deephits_keras.corpus.versions import loose_songs, title_column

TOLD = {
    "without_artist": "name no artist",
    "perhaps_shared": "may share an artist with training: part of a name is the same",
    "without_song": "name no song: a title or an artist is unknown",
    "perhaps_versions": "may be versions of training tracks: their titles begin alike",
}


def songs_not_placed_apart(corpus: Corpus, split: Split) -> dict[str, int]:
    """Held-out tracks of which a split by song can't promise that training has no version.

    Titles are compared up to the first bracket or dash, and any part of a text may be an artist.

    Returns:
        `without_song`: held-out tracks without a title or an artist; `perhaps_versions`: those
        that begin as a training track's title does, by an artist who may be the same.
    """
    songs = loose_songs(title_column(corpus), artist_column(corpus))
    trained = {song for row in split.parts["train"] for song in songs[row]}
    held_out = [songs[row] for p, rows in split.parts.items() if p != "train" for row in rows]
    return {
        "without_song": sum(not found for found in held_out),
        "perhaps_versions": sum(not trained.isdisjoint(found) for found in held_out),
    }


def split_notes(corpus: Corpus, split: Split) -> list[str]:
    """How many held-out tracks a split by artist or song couldn't place apart, in words."""
    checks = {"artist": not_placed_apart, "song": songs_not_placed_apart}
    if split.kind not in checks:
        return []
    held_out = sum(len(rows) for part, rows in split.parts.items() if part != "train")
    return [
        f"{count:,} of {held_out:,} held-out tracks {TOLD[what]}"
        for what, count in checks[split.kind](corpus, split).items()
        if count
    ]

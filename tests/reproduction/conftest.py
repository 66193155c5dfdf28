"""Small corpora whose tables can be worked out by hand, and one to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_spotgentrack, import_table

TRACKS = 100


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The popularity follows the metadata; the descriptors are noise."""
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(7)
    artist = rng.uniform(0, 100, TRACKS)
    pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "popularity": np.clip(artist + rng.normal(0, 2, TRACKS), 0, 100).round(1),
            "artist_popularity": artist,
            "release_year": rng.integers(1960, 2020, TRACKS),
            "artist_name": [f"artist {n // 2}" for n in range(TRACKS)],
            "tempo": rng.uniform(60, 180, TRACKS),
            "speechiness": rng.uniform(0, 0.6, TRACKS),
            "liveness": rng.uniform(0, 1, TRACKS),
            "key": rng.integers(-1, 12, TRACKS),
        }
    ).to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    return Corpus.open(folder / "corpus")


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twenty tracks in SpotGenTrack's layout, of which the paper's filters leave fourteen.

    Rows 0 to 3 are speech (at 0.62, 0.68, 0.68 and 0.9: the first stays), rows 4 and 5 last
    eight minutes, row 6 twenty seconds; of row 3 both hold. Row n has popularity 5n, and lyrics
    from row 12 on, of 200, 300, 400, 500, 600, 50, 800 and 900 words. Every artist has two tracks
    and every album one.
    """
    folder = tmp_path_factory.mktemp("counted")
    rows = range(20)
    speech = {0: 0.62, 1: 0.68, 2: 0.68, 3: 0.9}
    seconds = {3: 500, 4: 480, 5: 480, 6: 20}
    pd.DataFrame(
        {
            "id": [f"t{n:02}" for n in rows],
            "popularity": [5 * n for n in rows],
            "artists_id": [f"['a{n // 2}']" for n in rows],
            "album_id": [f"b{n}" for n in rows],
            "name": [f"song {n}" for n in rows],
            "lyrics": ["-99"] * 12 + ["la " * n for n in (200, 300, 400, 500, 600, 50, 800, 900)],
            "speechiness": [speech.get(n, 0.1) for n in rows],
            "duration_ms": [1000 * seconds.get(n, 200) for n in rows],
        }
    ).to_csv(folder / "spotify_tracks.csv")
    pd.DataFrame(
        {
            "id": [f"a{n}" for n in range(10)],
            "name": [f"artist {n}" for n in range(10)],
            "artist_popularity": 50,
            "genres": ["['radio play', 'german hip hop']", "['Radio Play']", *["['trap']"] * 8],
        }
    ).to_csv(folder / "spotify_artists.csv")
    pd.DataFrame({"id": [f"b{n}" for n in rows], "release_date": "2019-05-01"}).to_csv(
        folder / "spotify_albums.csv"
    )
    import_spotgentrack(folder, folder / "corpus")
    return Corpus.open(folder / "corpus")


@pytest.fixture(scope="session")
def options() -> tuple[str, ...]:
    """Options of `reproduce` that make it fast."""
    return ("--modalities", "meta", "--epochs", "2", "--batch-size", "40", "--jobs", "1")


@pytest.fixture(scope="session")
def src() -> Path:
    return Path(__file__).parents[2]

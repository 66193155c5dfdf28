"""A small table in which the popularity follows two columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

TRACKS = 90


@pytest.fixture(scope="session")
def songs() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    artist, tempo = rng.uniform(0, 100, TRACKS), rng.uniform(60, 180, TRACKS)
    popularity = np.clip(0.8 * artist + 0.1 * (tempo - 60) + rng.normal(0, 3, TRACKS), 0, 100)
    return pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "popularity": popularity.round(1),
            "artist_popularity": artist.round(),
            "tempo": tempo,
        }
    )


@pytest.fixture(scope="session")
def corpus(songs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from deephits_keras.corpus import import_table

    folder = tmp_path_factory.mktemp("tuned")
    songs.to_csv(folder / "songs.csv", index=False)
    import_table(folder / "songs.csv", folder / "corpus")
    return folder / "corpus"

"""A small corpus in which the popularity follows two columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table

TRACKS = 120


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(5)
    artist, tempo = rng.uniform(0, 100, TRACKS), rng.uniform(60, 180, TRACKS)
    popularity = np.clip(0.8 * artist + 0.1 * (tempo - 60) + rng.normal(0, 3, TRACKS), 0, 100)
    pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "popularity": popularity.round(1),
            "artist_popularity": artist.round(),
            "tempo": tempo,
            "key": rng.integers(-1, 12, TRACKS),
        }
    ).to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    return Corpus.open(folder / "corpus")

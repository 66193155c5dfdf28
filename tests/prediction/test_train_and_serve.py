"""The same row is the same track in training and afterwards: features equal byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deephits_plugins.lyrics_lstm import LyricsLSTM
from deephits_plugins.numeric import Numeric, NumericConfig

from deephits_keras.corpus import Corpus, import_table
from deephits_keras.corpus.values import STANDARD
from deephits_keras.prediction.tables import TrackTable

pytestmark = pytest.mark.usefixtures("eager")

WRITTEN: dict[str, list[str]] = {
    "popularity": ["50"] * 8,
    "artist_popularity": ["63", "63 %", "0", "100", "-", "", "n/a", "62,5"],
    "release_year": ["2019", "0", "", "1999.0", "?", "1980", "2001", "1950"],
    "release_date": ["2018-01-01", "1999", "14-06-2019", "2/8/19", "20190614", "", "0000", "-"],
    "acousticness": ["0.5", "50%", "0,5", ".5", "-", "", "NaN", "1"],
    "danceability": ["0", "1", "0.123456789", "5e-1", "", "?", "null", "0.5"],
    "duration_ms": ["210000", "3:30", "210,000", "210 000", "0", "", r"\N", "1:00:00"],
    "energy": ["0.1", "10 %", "0,1", "1e-1", "", "-", "N/A", "0.9"],
    "instrumentalness": ["0", "9.11e-06", "", "1", "-", "?", "0.5", "none"],
    "key": ["0", "C#", "Db", "-1", "F\u266f minor", "", "11", "unknown"],
    "liveness": ["0.1", "0.2", "", "0.4", "-", "0.6", "0.7", "0.8"],
    "loudness": ["-5.6", "-5,6", "-5.6 dB", "\u22125.6", "", "-60", "0", "?"],
    "mode": ["1", "0", "Major", "minor", "", "maj", "1.0", "-"],
    "speechiness": ["0.03", "3%", "", "0,03", "-", "0.1", "0.2", "0.3"],
    "tempo": ["120", "0", "120,5", "99 BPM", "", "-", "1e2", "nan"],
    "valence": ["0.5", "", "50%", "-", "0,5", "1", "0", "?"],
    "time_signature": ["4", "4/4", "04-Apr", "3", "", "0", "-", "5/4"],
    "lyrics": [
        "la la love",
        "-99",
        "3 ContributorsA Song Lyrics[Verse 1]\nLa la8Embed",
        "[Instrumental]",
        "",
        "[00:12.00]One\n[00:15.30]Two",
        "One &amp; two",
        "'-99'",
    ],
}


FIELDS = tuple(name for name in STANDARD if name != "popularity")


def test_every_standard_column_is_written_here() -> None:
    assert set(STANDARD) < set(WRITTEN)


@pytest.mark.parametrize("name", ["songs.csv", "songs.parquet", "songs.jsonl"])
def test_a_row_gives_equal_features_both_ways(name: str, tmp_path: Path) -> None:
    songs = pd.DataFrame({"track_id": [f"t{n}" for n in range(8)], **WRITTEN})
    path = tmp_path / name
    writers: dict[str, Callable[[Path], Any]] = {
        ".csv": lambda p: songs.to_csv(p, index=False),
        ".parquet": songs.to_parquet,
        ".jsonl": lambda p: songs.to_json(p, orient="records", lines=True),
    }
    writers[path.suffix](path)
    import_table(path, tmp_path / "corpus")
    corpus = Corpus.open(tmp_path / "corpus")
    trained = corpus.tracks(range(len(corpus)))
    served = list(TrackTable(path, reading=corpus.reading))
    assert [track.id for track in trained] == [track.id for track in served]
    encoders = (Numeric(NumericConfig(columns=FIELDS)), LyricsLSTM())
    for one, other in zip(trained, served, strict=True):
        for encoder in encoders:
            pair = [encoder.extract(track) for track in (one, other)]
            assert (pair[0] is None) == (pair[1] is None), one.id
            for feature in pair[0] or ():
                np.testing.assert_array_equal(pair[0][feature], pair[1][feature])


def test_the_table_of_a_corpus_gives_the_runs_own_predictions(
    tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    draw = np.random.default_rng(3)
    year = draw.integers(1960, 2024, 120)
    hot = draw.integers(0, 101, 120)
    songs = pd.DataFrame(
        {
            "name": [f"Song {n}" for n in range(120)],
            "artist": [f"Artist {n % 40}" for n in range(120)],
            "hotness": np.clip(0.6 * hot + 0.6 * (year - 1960), 0, 100).round(),
            "artist_hotness": hot,
            "bpm": draw.choice([0, 90, 120], 120),
            "energy": draw.random(120).round(2),
            "album_release_date": [f"{y}-05-01" for y in year],
        }
    )
    songs.to_csv(tmp_path / "songs.csv", index=False)
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    columns = ("--column", "popularity=hotness", "--column", "artist_popularity=artist_hotness")
    assert deephits("import", "table", tmp_path / "songs.csv", corpus, *columns).code == 0
    options = ("--modalities", "meta", "--task", "regression", "--epochs", "2")
    assert deephits("train", corpus, run, *options).code == 0
    out = tmp_path / "answers.csv"
    told = deephits("predict", run, "--table", tmp_path / "songs.csv", "--out", out)
    assert told.code == 0
    answers = pd.read_csv(out).set_index("track_id")
    own = pd.read_parquet(run / "predictions.parquet").set_index("track_id")
    asked = answers.loc[own.index, "popularity"]
    # Answers are given to three decimals.
    np.testing.assert_allclose(asked, own["predicted_popularity"], rtol=0, atol=5.1e-4)
    assert answers["title"].str.startswith("Song").all()

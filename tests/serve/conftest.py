"""A small run and its bundle, for all tests of the server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from deephits_keras.corpus import Corpus, import_table, make_split
from deephits_keras.export.exporter import export_run
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.trainer import new_run, train

SECONDS, TRACKS = 1.0, 24


def write_song(path: Path, *, pitch: float = 440.0, seconds: float = SECONDS) -> Path:
    time = np.arange(int(22_050 * seconds)) / 22_050
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * pitch * time), 22_050, format="MP3")
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on recordings, lyrics and fields, with prediction sets."""
    folder = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(TRACKS)]})
    table["popularity"] = table["artist_popularity"] = rng.uniform(0, 100, TRACKS).round()
    table["tempo"] = rng.normal(120, 9, TRACKS)
    table["lyrics"] = [f"night and day number {n} of the road" for n in range(TRACKS)]
    (folder / "recordings").mkdir()
    for number in range(4):
        write_song(folder / "recordings" / f"{number}.mp3", pitch=220 + 100 * number)
    table["audio"] = [f"recordings/{n % 4}.mp3" for n in range(TRACKS)]
    table.to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    corpus = Corpus.open(folder / "corpus")
    encoders = corpus_encoders(corpus, "mel=hit_cnn,style,meta")
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    training = TrainingConfig(epochs=1, batch_size=8, max_learning_rate=0.01, coverage=0.9)
    split = make_split("random", corpus, validation=0.5)
    made = new_run(folder / "run", corpus, encoders, split, task="tiers-3", training=training)
    train(made, corpus)
    return folder / "run"


@pytest.fixture(scope="session")
def bundle(run: Path) -> Path:
    return export_run(Run(run), run.parent / "bundle").folder


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "song.mp3")

"""The encoders that ship beside the defaults, through every verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from deephits_keras.corpus import import_table

pytestmark = pytest.mark.usefixtures("eager")

TRACKS = 20
MODALITIES = ("--modalities", "mel=mel_crnn,lyrics=lyrics_lstm,meta")
SMALL = ("--mel-frames", "192", "--mel-mel-bands", "16", "--lyrics-max-words", "12")
FAST = ("--epochs", "1", "--batch-size", "8", "--max-learning-rate", "0.01")

Deephits = Callable[..., Any]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short noises with a few words each; the last track has neither."""
    folder = tmp_path_factory.mktemp("others")
    rng = np.random.default_rng(0)
    (folder / "audio").mkdir()
    for number in range(TRACKS - 1):
        soundfile.write(folder / "audio" / f"t{number}.wav", rng.normal(0, 0.1, 22050), 22050)
    pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(TRACKS)],
            "popularity": np.linspace(0, 99, TRACKS),
            "lyrics": [f"la la {n} oh" for n in range(TRACKS - 1)] + [""],
            "tempo": rng.uniform(60, 180, TRACKS),
        }
    ).to_csv(folder / "songs.csv", index=False)
    import_table(folder / "songs.csv", folder / "corpus", audio=folder / "audio")
    return folder / "corpus"


def test_build_tells_their_sizes(deephits: Deephits) -> None:
    told = deephits("build", *MODALITIES)
    assert told.code == 0, told.err
    for words in (("mel_crnn", "64", "99,162"), ("lyrics_lstm", "128", "1,362,624")):
        (line,) = [line for line in told.out.splitlines() if words[0] in line]
        assert all(word in line for word in words)


def test_they_extract_train_and_predict(corpus: Path, tmp_path: Path, deephits: Deephits) -> None:
    run = tmp_path / "run"
    for words in (
        ("extract", corpus, *MODALITIES, *SMALL),
        ("train", corpus, run, *MODALITIES, *SMALL, *FAST, "--task", "tiers-3"),
        ("evaluate", run),
    ):
        done = deephits(*words)
        assert done.code == 0, done.err
    song = next((corpus.parent / "audio").iterdir())
    told = deephits("predict", run, song, "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)

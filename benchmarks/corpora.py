"""Corpora to measure on, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from deephits_plugins.mel_cnn import MelCNN

from deephits_keras.corpus import Corpus
from deephits_keras.corpus.table import write_corpus
from deephits_keras.encoders.features import Features
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.store import FeatureStore
from deephits_keras.tracks import Track


def corpus_of(folder: Path, tracks: int, audio: Sequence[str] = ()) -> Corpus:
    """A corpus with made-up fields; its recordings are those given, over and over."""
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(tracks)]})
    table["popularity"] = draw.integers(0, 101, tracks).astype(float)
    table["audio"] = [audio[n % len(audio)] if audio else None for n in range(tracks)]
    table["lyrics"] = None
    for name in ("tempo", "artist_popularity"):
        table[name] = draw.uniform(0, 100, tracks)
    text = {"audio": "string", "lyrics": "string"}
    return write_corpus(
        folder, table.astype(text), {"source": "benchmark", "synthetic": True}, pd.DataFrame()
    )


class NoiseMel(MelCNN):
    """Noise of a spectrogram's size, so that a large store is made quickly."""

    name = "noise_mel"

    def extract(self, track: Track) -> Features | None:
        """Draw it from the track's number."""
        draw = np.random.default_rng(int(track.id[1:]))
        shape = self.feature_specs[0].shape
        return {"log_mel": draw.standard_normal(shape, dtype=np.float32).astype(np.float16)}


def noise_store(folder: Path, tracks: int) -> FeatureStore:
    """A store of full-size noise spectrograms."""
    corpus = corpus_of(folder, tracks)
    extract_features(corpus, NoiseMel(), jobs=1)
    return FeatureStore.open(corpus, NoiseMel())

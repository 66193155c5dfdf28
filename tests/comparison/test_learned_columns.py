"""What a shallow recipe learns from sounds and texts, it learns from the training part alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.comparison.shallow import shallow_outputs
from deephits_keras.corpus import Corpus, Split, write_corpus
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.recipes import get_recipe
from deephits_keras.tasks import get_task

TRACKS = 60
WORDS = (("sun", "sea", "sand", "wave"), ("rain", "night", "cold", "grey"))
SPLIT = Split(
    "random",
    0,
    {"train": np.arange(40), "validation": np.arange(40, 50), "test": np.arange(50, 60)},
)


def outputs(folder: Path, spoil: str | None = None) -> dict[str, Any]:
    """Raw outputs for songs of two topics, one of them popular; test lyrics may be others."""
    rng = np.random.default_rng(0)
    kinds = np.arange(TRACKS) % 2
    lyrics = [" ".join(rng.choice(WORDS[kind], 20)) for kind in kinds]
    if spoil:
        lyrics[50:] = [spoil] * 10
    table = pd.DataFrame(
        {
            "track_id": [f"t{k}" for k in range(TRACKS)],
            "popularity": np.where(kinds == 1, 80.0, 20.0),
            "audio": None,
            "lyrics": lyrics,
        }
    )
    info = {"synthetic": True, "encoder_settings": {}}
    corpus: Corpus = write_corpus(folder, table, info, rejected=pd.DataFrame())
    recipe = get_recipe("dhanaraj2005")
    encoders = corpus_encoders(corpus, "topics=topics", {"topics": {"topics": 2}})
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    return shallow_outputs(recipe, corpus, encoders, SPLIT, get_task("hit-65"), seed=0)


def test_topics_are_those_of_the_training_part(tmp_path: Path) -> None:
    honest = outputs(tmp_path / "honest")
    kinds = np.arange(50, 60) % 2
    assert (honest["test"].argmax(axis=1) == kinds).all()
    spoilt = outputs(tmp_path / "spoilt", spoil="cold cold cold sun rain unheard words entirely")
    # Other held-out lyrics change no other track's outputs.
    np.testing.assert_array_equal(spoilt["validation"], honest["validation"])
    assert not np.array_equal(spoilt["test"], honest["test"])

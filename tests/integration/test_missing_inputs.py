"""Missing inputs on planted data: half of the popularity is in a field, half in the lyrics.

Each comparison is of three seeds. "No worse" allows two standard errors of the difference of two
means over them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deephits_plugins.bert_lyrics.untrained import write_untrained_bert

from deephits_keras.corpus import Corpus, Split, import_table, make_split
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tracks import Track
from deephits_keras.training.trainer import new_run, train

TRACKS = 400
SEEDS = range(3)
MISSING_LYRICS = 0.1468
"""Share of tracks without lyrics in Table A3's text."""

TRAINING = TrainingConfig(epochs=12, batch_size=32, max_learning_rate=0.01, select="loss")

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def songs() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    tempo, word = draw.uniform(80, 160, TRACKS), draw.integers(0, 2, TRACKS)
    fillers = np.array(
        ["we", "go", "on", "and", "on", "until", "the", "music", "stops", "in", "town"]
    )
    texts = [
        " ".join([*fillers[draw.integers(0, 10, 8)], ["night", "sunshine"][w], "baby"])
        for w in word
    ]
    popularity = 50 + (tempo - 120) / 2 + 20 * (2 * word - 1) + draw.normal(0, 2, TRACKS)
    return pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "tempo": tempo,
            "lyrics": texts,
            "popularity": popularity.clip(0, 100),
        }
    )


@pytest.fixture(scope="module")
def laboratory(songs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    folder = tmp_path_factory.mktemp("laboratory")
    write_untrained_bert(folder / "bert", songs["lyrics"].tolist())
    gaps = np.random.default_rng(1).random(TRACKS) < MISSING_LYRICS
    silent = songs.assign(lyrics=songs["lyrics"].mask(gaps))
    corpora = {}
    for name, table in (("whole", songs), ("gaps", silent)):
        table.to_csv(folder / f"{name}.csv", index=False)
        corpora[name] = import_table(folder / f"{name}.csv", folder / name).corpus
    return Laboratory(folder, corpora)


@dataclasses.dataclass(frozen=True)
class Laboratory:
    """Trains on the corpora, each combination once.

    `complete` is the corpus with gaps, trained on its tracks with lyrics only.
    """

    folder: Path
    corpora: dict[str, Corpus]

    def runs(self, name: str, modalities: str, dropout: float = 0.0) -> list[Run]:
        """A run a seed."""
        return [self._run(name, modalities, dropout, seed) for seed in SEEDS]

    @cache  # noqa: B019
    def _run(self, name: str, modalities: str, dropout: float, seed: int) -> Run:
        corpus = self.corpora["gaps" if name == "complete" else name]
        checkpoint = {"checkpoint": str(self.folder / "bert")}
        settings = {"meta": {"columns": "tempo"}, "lyrics": checkpoint}
        used = {m: values for m, values in settings.items() if m in modalities}
        encoders = corpus_encoders(corpus, modalities, used)
        for encoder in encoders.values():
            extract_features(corpus, encoder, jobs=1)
        split = make_split("random", corpus, seed=0, validation=0.3)
        if name == "complete":
            has_lyrics = corpus.column("lyrics").notna().to_numpy()
            rows = split.parts["train"]
            split = dataclasses.replace(
                split, parts={**split.parts, "train": rows[has_lyrics[rows]]}
            )
        training = dataclasses.replace(TRAINING, seed=seed, modality_dropout=dropout)
        place = self.folder / f"{name}-{modalities}-{dropout}-{seed}"
        run = new_run(place, corpus, encoders, split, task="regression", training=training)
        train(run, corpus)
        return run

    def __hash__(self) -> int:
        return hash(self.folder)


def errors(runs: Sequence[Run], tracks: Sequence[Track], truth: np.ndarray) -> np.ndarray:
    """Mean absolute error of each run on tracks."""
    predicted = [[p.popularity for p in Predictor(run).predict(tracks)] for run in runs]
    return np.abs(np.array(predicted) - truth).mean(axis=1)


def allowance(first: np.ndarray, second: np.ndarray) -> float:
    """Two standard errors of the difference of their means."""
    return 2 * float(np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / len(first)))


def held_out(run: Run, corpus: Corpus) -> tuple[list[Track], np.ndarray]:
    rows = Split.from_parquet(run.folder / "split.parquet").parts["validation"]
    return corpus.tracks(rows), corpus.popularity[rows]


def test_without_lyrics_a_model_that_knows_them_is_no_worse_than_one_that_does_not(
    laboratory: Laboratory,
) -> None:
    with_lyrics = laboratory.runs("whole", "meta,lyrics", dropout=0.3)
    without = laboratory.runs("whole", "meta")
    tracks, truth = held_out(without[0], laboratory.corpora["whole"])
    silent = [Track(track.id, audio=track.audio, fields=track.fields) for track in tracks]
    hidden = errors(with_lyrics, silent, truth)
    never = errors(without, silent, truth)
    assert hidden.mean() <= never.mean() + allowance(hidden, never)
    # It does use the lyrics where they are there: without them half of the popularity is lost.
    assert errors(with_lyrics, tracks, truth).mean() < 0.6 * hidden.mean()


def test_tracks_without_lyrics_do_no_harm_to_those_with(laboratory: Laboratory) -> None:
    """Training on 14.68 % of tracks without lyrics beside the others, or on the others alone."""
    beside = laboratory.runs("gaps", "meta,lyrics")
    alone = laboratory.runs("complete", "meta,lyrics")
    assert beside[0].config.modalities["lyrics"].learned_missing
    assert not alone[0].config.modalities["lyrics"].learned_missing
    tracks, truth = held_out(beside[0], laboratory.corpora["gaps"])
    there = np.array([track.lyrics is not None for track in tracks])
    present = [track for track, is_there in zip(tracks, there, strict=True) if is_there]
    with_gaps = errors(beside, present, truth[there])
    without_gaps = errors(alone, present, truth[there])
    assert with_gaps.mean() <= without_gaps.mean() + allowance(with_gaps, without_gaps)


def test_a_prediction_says_that_the_lyrics_were_missing(laboratory: Laboratory) -> None:
    run = laboratory.runs("gaps", "meta,lyrics")[0]
    (prediction,) = Predictor(run).predict([Track("t", fields={"tempo": 120.0})])
    assert prediction.missing == ("lyrics",)
    assert not prediction.warnings

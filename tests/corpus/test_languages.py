"""`--detect-language`: the language of lyrics becomes a field, in training and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deephits_plugins.lyrics_lstm import LyricsLSTM
from deephits_plugins.tabular import Tabular, TabularConfig
from plain_model import PlainModel

import deephits_keras as dh
from deephits_keras.corpus.languages import detect_languages
from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.errors import UserError
from deephits_keras.prediction.asked import asked_track, cleaning_of
from deephits_keras.prediction.tables import TrackTable
from deephits_keras.prediction.workflow import plan_prediction
from deephits_keras.serve.schema import ModelInfo

TEMPO = TabularConfig(columns=("tempo",), categories=())
LYRICS = {
    "a": "12 ContributorsOver Lyrics[Verse 1]\nI was walking down the street with you57Embed",
    "b": "Ich ging gestern durch die Stadt und dachte an dich, so wie immer",
    "c": "Caminando por la calle yo te vi y no pude olvidarte jamás",
    "d": "la la la la la la la la la la la",
    "e": "-99",
    "f": "昨日、街を歩いていたら君に会ったんだ、そして笑ったんだよね、ずっと",
}
CODES = {"a": "en", "b": "de", "c": "es", "f": "ja"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("languages") / "songs.csv"
    songs = pd.DataFrame({"id": [*LYRICS], "lyrics": [*LYRICS.values()], "tempo": 120})
    songs.assign(popularity=range(len(LYRICS)), title=[*LYRICS]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def corpus(table: Path) -> dh.Corpus:
    cleaning = LyricsCleaning(detect_language=True)
    return dh.import_table(table, table.parent / "corpus", lyrics=cleaning).corpus


def test_the_import_has_the_languages_and_counts_them(corpus: dh.Corpus) -> None:
    found = dict(zip(corpus.track_ids, corpus.column("language"), strict=True))
    assert {name: found[name] for name in CODES} == CODES
    assert pd.isna(found["e"])
    (note,) = [note for note in corpus.info["notes"] if "languages detected" in note]
    assert "de 1" in note


def test_a_row_has_the_same_language_afterwards(
    corpus: dh.Corpus, table: Path, tmp_path: Path
) -> None:
    encoder = Tabular(TabularConfig(columns=("tempo",), categories=("language",)))
    trained = corpus.tracks(range(len(corpus)), encoder.inputs)
    served = list(TrackTable(table, reading=corpus.reading))
    for one, other in zip(trained, served, strict=True):
        pair = [encoder.extract(track) for track in (one, other)]
        assert pair[0] is not None
        assert pair[1] is not None
        np.testing.assert_array_equal(pair[0]["words"], pair[1]["words"])


@pytest.mark.parametrize(("categories", "known"), [(("language",), True), (("genre",), False)])
def test_a_song_gets_its_language_if_an_encoder_reads_it(
    categories: tuple[str, ...], known: bool, corpus: dh.Corpus, tmp_path: Path
) -> None:
    encoder = Tabular(TabularConfig(columns=("tempo",), categories=categories))
    model = PlainModel({"meta": encoder}, tmp_path / "model")
    model.config.corpus["reading"] = corpus.reading
    words = tmp_path / "words.txt"
    words.write_text(LYRICS["b"], encoding="utf-8")
    track = asked_track(lyrics=words, cleaning=cleaning_of(model))
    assert track.fields.get("language") == ("de" if known else None)
    given = asked_track(lyrics=words, fields={"language": "en"}, cleaning=cleaning_of(model))
    assert given.fields["language"] == "en"


def test_a_table_that_has_languages_keeps_them(
    table: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    songs = pd.read_csv(table).assign(language="English")
    songs.to_csv(tmp_path / "songs.csv", index=False)
    told = deephits(
        "import", "table", tmp_path / "songs.csv", tmp_path / "corpus", "--detect-language"
    )
    assert told.code == 2
    assert "The source has a column language" in told.err
    assert not (tmp_path / "corpus").exists()
    told = deephits("import", "table", table, tmp_path / "corpus", "--detect-language")
    assert "languages detected in the lyrics of" in told.out


def test_no_lyrics_no_language() -> None:
    assert detect_languages(pd.Series([None, "", "la", "1234567890 " * 9])).isna().all()


def model_of(corpus: dh.Corpus, folder: Path, **encoders: Any) -> PlainModel:
    model = PlainModel(encoders, folder)
    model.config.corpus["reading"] = corpus.reading
    return model


def test_lyrics_tell_the_language_to_a_model_that_reads_nothing_else_of_them(
    corpus: dh.Corpus, tmp_path: Path
) -> None:
    fields = Tabular(TabularConfig(columns=("tempo",), categories=("language",)))
    meta = model_of(corpus, tmp_path / "meta", meta=fields)
    lyrics = model_of(corpus, tmp_path / "lyrics", lyrics=LyricsLSTM())
    words = tmp_path / "words.txt"
    words.write_text(LYRICS["b"], encoding="utf-8")
    for models in ([meta], [meta, lyrics], [lyrics, meta]):
        plan = plan_prediction(models, lyrics=words)
        assert plan.tracks[0].fields == {"language": "de"}
        assert plan.notes == ()
    assert plan_prediction([lyrics], lyrics=words).tracks[0].fields == {}
    assert ModelInfo.from_model(meta).texts == ("lyrics",)
    assert (
        ModelInfo.from_model(model_of(corpus, tmp_path / "tempo", meta=Tabular(TEMPO))).texts == ()
    )
    given = plan_prediction([meta], lyrics=words, fields={"language": "en"})
    assert given.tracks[0].fields == {"language": "en"}
    raw = model_of(corpus, tmp_path / "raw", lyrics=LyricsLSTM())
    raw.config.corpus["reading"] = {**corpus.reading, "lyrics": {"enabled": False}}
    with pytest.raises(UserError, match="were cleaned differently"):
        plan_prediction([meta, raw], lyrics=words)

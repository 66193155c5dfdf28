"""`lyrics_lstm`: words, their numbers, and one word that decides."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from deephits_plugins.lyrics_lstm import LyricsLSTM
from keras import ops

from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.words import words_of
from deephits_keras.errors import UserError
from deephits_keras.explanation.integrated import integrated_gradients
from deephits_keras.tracks import Track

SMALL = {"max_words": 12, "buckets": 500, "word_size": 8, "states": 8, "units": 16}


def numbers(encoder: LyricsLSTM, lyrics: str) -> np.ndarray:
    features = encoder.extract(Track("song", lyrics=lyrics))
    assert features is not None
    return features["words"]


def branch(encoder: LyricsLSTM) -> keras.Model:
    words = keras.Input(encoder.feature_specs[0].shape, dtype="int32", name="words")
    return keras.Model({"words": words}, encoder.build({"words": words}))


@pytest.mark.parametrize(
    ("lyrics", "words"),
    [
        ("Don't STOP, don't\nstop!", ["don't", "stop", "don't", "stop"]),
        ("don\N{RIGHT SINGLE QUOTATION MARK}t", ["don't"]),
        ("canc\u0327a\u0303o cançaõ", ["canção", "cançaõ"]),
        ("Straße ночь 夜 24/7", ["strasse", "ночь", "夜", "24", "7"]),
        ("_ - ... 'la'", ["la"]),
    ],
)
def test_words_are_cut_and_folded(lyrics: str, words: list[str]) -> None:
    assert words_of(lyrics) == words


def test_a_word_has_the_same_number_everywhere_and_zero_is_no_word() -> None:
    given = numbers(LyricsLSTM(), "Love me, love")
    assert given.dtype == np.int32
    assert given.shape == (1024,)
    # MurmurHash3 x86 32, seed 0: no process and no release may give another.
    assert given[:4].tolist() == [11096, 1961, 11096, 0]
    few = numbers(LyricsLSTM.from_config({"buckets": 3}), " ".join(map(str, range(200))))
    assert set(few[:200]) == {1, 2, 3}


def test_words_past_berts_limit_are_read_up_to_max_words() -> None:
    text = [f"w{n}" for n in range(1100)]
    given = numbers(LyricsLSTM(), " ".join(text))
    assert (given > 0).all()
    assert given[700] == numbers(LyricsLSTM(), "w700")[0]
    assert given[1023] == numbers(LyricsLSTM(), "w1023")[0]


@pytest.mark.parametrize("lyrics", [None, "", " \n", "... --- ***"])
def test_lyrics_without_a_word_are_missing(lyrics: str | None) -> None:
    assert LyricsLSTM().extract(Track("song", lyrics=lyrics)) is None


def test_text_that_is_not_unicode_names_the_track() -> None:
    with pytest.raises(ExtractionError, match="track t7: the lyrics aren't valid Unicode"):
        LyricsLSTM().extract(Track("t7", lyrics="la l\ud800a"))


def test_settings_that_cannot_be_are_refused() -> None:
    for name in SMALL:
        with pytest.raises(UserError, match=name):
            LyricsLSTM.from_config({name: 0})


def test_the_embedding_does_not_depend_on_the_padding() -> None:
    keras.utils.set_random_seed(0)
    short, long = (LyricsLSTM.from_config({**SMALL, "max_words": n}) for n in (5, 40))
    first, second = branch(short), branch(long)
    second.set_weights(first.get_weights())
    text = "night and day and night"
    a, b = (
        model.predict_on_batch({"words": numbers(encoder, text)[None]})
        for encoder, model in ((short, first), (long, second))
    )
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def songs(count: int) -> tuple[list[str], np.ndarray]:
    """Random words, with `heartbreak` among every second song's."""
    rng = np.random.default_rng(3)
    texts = []
    for number in range(count):
        words = [f"word{n}" for n in rng.integers(0, 60, 9)]
        words[rng.integers(0, 9)] = "heartbreak" if number % 2 else "holiday"
        texts.append(" ".join(words))
    return texts, np.arange(count) % 2


@pytest.fixture(scope="module")
def trained() -> tuple[LyricsLSTM, keras.Model, keras.Model]:
    """An encoder, its branch, and a model of it that has learnt the deciding word."""
    keras.utils.set_random_seed(1)
    encoder = LyricsLSTM.from_config(SMALL)
    texts, decided = songs(256)
    embed = branch(encoder)
    model = keras.Model(embed.input, keras.layers.Dense(1, activation="sigmoid")(embed.output))
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    inputs = {"words": np.stack([numbers(encoder, text) for text in texts])}
    model.fit(inputs, decided, epochs=6, batch_size=16, verbose=0)
    return encoder, embed, model


def test_it_learns_the_word_that_decides(trained) -> None:
    encoder, _, model = trained
    texts, decided = songs(296)
    inputs = {"words": np.stack([numbers(encoder, text) for text in texts[256:]])}
    given = model.predict_on_batch(inputs)[:, 0]
    np.testing.assert_array_equal(given > 0.5, decided[256:] == 1)


def test_the_account_of_a_score_names_that_word(trained) -> None:
    encoder, embed, model = trained
    lyrics = songs(258)[0][257]
    track = Track("song", lyrics=lyrics)
    told = encoder.explainable(track, {"words": numbers(encoder, lyrics)}, embed)
    head = model.layers[-1]
    found = integrated_gradients(
        lambda values: ops.reshape(head(told.embed(values)), (-1,)), told.point, told.baseline
    )
    parts = told.parts(found.values)
    assert [part.name for part in parts] == lyrics.split()
    assert sum(part.contribution for part in parts) == pytest.approx(found.difference, rel=0.01)
    assert max(parts, key=lambda part: part.contribution).name == "heartbreak"
    direct = embed({"words": numbers(encoder, lyrics)[None]}, training=False)
    point = {name: ops.convert_to_tensor(array[None]) for name, array in told.point.items()}
    np.testing.assert_allclose(told.embed(point), direct, rtol=1e-5, atol=1e-6)

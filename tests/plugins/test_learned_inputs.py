"""Encoders whose numbers are learned from the training part: sounds, topics and rare words."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from deephits_plugins.mfcc_covariance.matrices import matrices
from deephits_plugins.sounds import Sounds, SoundsConfig
from deephits_plugins.tfidf_text import TfidfText, TfidfTextConfig
from deephits_plugins.topics import Topics, TopicsConfig

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.encoders.thinning import thinned
from deephits_keras.encoders.words import word_counts
from deephits_keras.tracks import Track

Array = np.ndarray[Any, Any]


def embedded(encoder: AnyEncoder, features: dict[str, Array]) -> Array:
    inputs = {spec.name: keras.Input(spec.shape, name=spec.name) for spec in encoder.feature_specs}
    model = keras.Model(inputs, encoder.build(inputs))
    given = {name: array.astype("float32") for name, array in features.items()}
    found: Array = keras.ops.convert_to_numpy(model(given))
    return found


def columns(encoder: AnyEncoder, features: dict[str, Array]) -> Array:
    return np.stack(list(encoder.learned_columns(features).values()), axis=1)


def test_sounds_are_clusters_and_their_shares_count_frames() -> None:
    rng = np.random.default_rng(0)
    kinds = np.array([-40.0, 0.0, 40.0])
    frames = kinds[:, None, None] + rng.normal(size=(3, 8, 20))
    encoder = Sounds(SoundsConfig(frames=8, sounds=3))
    encoder.adapt([{"frames": frames.astype("float16")}])
    mixed = np.concatenate([frames[0, :6], frames[2, :2]])[np.newaxis].astype("float16")
    shares = columns(encoder, {"frames": mixed})
    np.testing.assert_allclose(np.sort(shares[0]), [0, 0.25, 0.75], atol=1e-3)
    np.testing.assert_allclose(embedded(encoder, {"frames": mixed}), shares, atol=1e-4)


def test_fewer_frames_than_sounds_are_enough() -> None:
    encoder = Sounds(SoundsConfig(frames=1, sounds=5))
    frames = np.zeros((3, 1, 20), "float16")
    encoder.adapt([{"frames": frames}])
    np.testing.assert_allclose(columns(encoder, {"frames": frames}).sum(axis=1), 1)


def test_topics_are_words_that_occur_together() -> None:
    rng = np.random.default_rng(0)
    words = [["sun", "sea", "sand", "wave"], ["rain", "night", "cold", "grey"]]
    texts = [" ".join(rng.choice(words[k % 2], 12)) for k in range(20)]
    encoder = Topics(TopicsConfig(buckets=500, topics=2))
    counts = np.stack([encoder.extract(Track("t", lyrics=text))["counts"] for text in texts])
    encoder.adapt([{"counts": counts}])
    shares = columns(encoder, {"counts": counts})
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (shares.max(axis=1) > 0.95).all()
    tops = shares.argmax(axis=1)
    assert len(set(tops[::2])) == len(set(tops[1::2])) == 1
    assert tops[0] != tops[1]
    half = encoder.extract(Track("t", lyrics="sun rain sea night"))["counts"][np.newaxis]
    np.testing.assert_allclose(columns(encoder, {"counts": half}), [[0.5, 0.5]], atol=0.1)
    np.testing.assert_allclose(
        embedded(encoder, {"counts": half}), columns(encoder, {"counts": half}), atol=1e-4
    )


def test_a_rare_word_counts_more_and_the_length_of_a_text_nothing() -> None:
    config = TfidfTextConfig(text="about", buckets=1000)
    encoder = TfidfText(config)
    texts = ["band from oslo", "band from bergen", "band"]
    counts = [encoder.extract(Track("t", texts={"about": t}))["counts"] for t in texts]
    encoder.adapt([{"counts": np.stack(counts[:1])}, {"counts": np.stack(counts[1:])}])
    inputs = {"counts": keras.Input((1000,), name="counts")}
    layer = keras.Model(inputs, encoder.build(inputs)).get_layer("tfidf")
    twice = word_counts("band from oslo", 1000).astype("float32")
    weights = keras.ops.convert_to_numpy(layer(twice[np.newaxis]))[0]
    assert np.linalg.norm(weights) == pytest.approx(1, abs=1e-5)
    band, oslo = (int(word_counts(word, 1000).argmax()) for word in ("band", "oslo"))
    # scikit-learn's smoothing: log((1 + texts) / (1 + texts with the word)) + 1.
    assert weights[oslo] / weights[band] == pytest.approx(np.log(4 / 2) + 1, rel=1e-5)
    assert encoder.extract(Track("t", texts={"about": "  "})) is None


def test_matrices_are_a_covariance_and_its_inverse() -> None:
    noise = np.random.default_rng(0).normal(size=44_100).astype("float32")
    covariance, inverse = np.moveaxis(matrices(0.1 * noise), -1, 0).astype(float)
    np.testing.assert_allclose(covariance, covariance.T)
    assert (np.linalg.eigvalsh(covariance) > -1e-3).all()
    ridge = 1e-3 * np.trace(covariance) / 13
    np.testing.assert_allclose(inverse @ (covariance + ridge * np.eye(13)), np.eye(13), atol=1e-2)
    assert np.isfinite(matrices(np.zeros(10, "float32"))).all()


@pytest.mark.parametrize("cuts", [(9,), (4, 5), (1,) * 9])
def test_a_thinned_stream_is_the_same_however_it_is_cut(cuts: tuple[int, ...]) -> None:
    batches = np.split(np.arange(9), np.cumsum(cuts)[:-1])
    assert thinned(batches, 4).tolist() == [0, 4, 8]
    assert thinned(batches, 9).tolist() == list(range(9))
    assert len(thinned([], 4)) == 0

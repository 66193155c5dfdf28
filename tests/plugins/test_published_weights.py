"""Published weights answer as their authors' examples do.

The weights are no part of the project: where they aren't there, these tests are skipped.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from deephits_plugins.choi_crnn import ChoiCRNN
from deephits_plugins.choi_crnn.network import hard_sigmoid_2016, tagger
from deephits_plugins.hit_cnn import HitCNN
from deephits_plugins.hit_cnn.network import hit_network, published_weights

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.model.builder import build_model
from deephits_keras.runs.config import EncoderRecord

FOUND = [p / "shared" / "weights" for p in Path(__file__).parents if (p / "shared").is_dir()]
WEIGHTS = FOUND[0] if FOUND else Path("shared") / "weights"
HSP, CHOI = WEIGHTS / "hsp_cnn", WEIGHTS / "music_tagger_crnn_weights_tensorflow.h5"
EXAMPLES = Path(os.environ.get("DEEPHITS_CHOI", "nowhere"))

needs_hsp = pytest.mark.skipif(not HSP.is_dir(), reason=f"HSP_CNN's checkpoint isn't in {HSP}")
needs_choi = pytest.mark.skipif(not CHOI.is_file(), reason=f"Choi's weights aren't in {CHOI}")


def test_the_networks_have_the_published_sizes() -> None:
    assert hit_network().count_params() == 125_622
    # The tags' part is 18,261; the network with inception is published without it.
    assert hit_network(inception=True).count_params() == 162_209 + 18_261


@needs_hsp
def test_the_hit_network_gives_its_authors_answer() -> None:
    network = hit_network()
    for name, weights in published_weights(str(HSP)).items():
        network.get_layer(name).set_weights(weights)
    example = {"mel": np.load(HSP / "xte.npy"), "tags": np.load(HSP / "tgte.jynet.npy")}
    output = float(network.predict(example, verbose=0).ravel()[0])
    stored = float(np.load(HSP / "ret30.npy").ravel()[0])
    assert 10 ** (-1 / output) == pytest.approx(stored, abs=1e-6)
    assert stored == pytest.approx(0.00161626, abs=1e-8)


@needs_hsp
def test_a_new_model_begins_with_them_and_keeps_them() -> None:
    encoder = HitCNN.from_config({"weights": str(HSP)})
    encoder.adapt(iter(()))
    model = build_model([encoder], task="tiers-3")
    kernel = model.get_layer("mel").get_layer("conv2").get_weights()[0]
    np.testing.assert_array_equal(kernel, published_weights(str(HSP))["conv2"][0])
    assert not model.get_layer("mel").trainable_variables
    assert "Apache-2.0" in EncoderRecord.from_encoder(encoder, learned_missing=False).weights
    # One that is loaded gets its weights from its archive, and not from a folder.
    build_model([HitCNN.from_config({"weights": "gone"})], task="tiers-3")


def test_weights_that_are_not_there_are_asked_for() -> None:
    for encoder, said in (
        (HitCNN.from_config({"weights": "nowhere"}), "HSP_CNN"),
        (ChoiCRNN.from_config({"weights": "nowhere.h5"}), "music-auto_tagging-keras"),
    ):
        encoder.adapt(iter(()))
        with pytest.raises(UserError, match=said):
            build_model([encoder], task="tiers-3")


@needs_choi
@pytest.mark.skipif(
    not EXAMPLES.is_dir(),
    reason="DEEPHITS_CHOI names no clone of github.com/keunwoochoi/music-auto_tagging-keras",
)
def test_chois_network_gives_its_authors_answers() -> None:
    """Its README prints the ten likeliest tags of four clips, whose spectrograms it has."""
    network = tagger(str(CHOI))
    readme = (EXAMPLES / "README.md").read_text()
    listed = re.search(r"\['rock'.*?\]", readme, re.DOTALL)
    assert listed
    tags = re.findall(r"'([^']+)'", listed[0])
    printed = re.findall(r"data/(bensound-\w+)\.mp3\n(\[.*\])\n(\[.*\])", readme)
    assert [len(tags), len(printed)] == [50, 4]
    for clip, *lines in printed:
        mel = np.load(EXAMPLES / "data" / f"{clip}.npy").reshape(1, 96, 1366)
        scores = dict(zip(tags, network.predict(mel, verbose=0)[0].tolist(), strict=True))
        likeliest = re.findall(r"\('([^']+)', '([\d.]+)'\)", "".join(lines))
        assert len(likeliest) == 10
        for tag, score in likeliest:
            assert scores[tag] == pytest.approx(float(score), abs=5.1e-4), (clip, tag)


@needs_choi
def test_each_of_chois_weights_is_where_it_belongs() -> None:
    """Without their four clips: the layers are followed by hand."""
    import h5py

    network = tagger(str(CHOI))
    mel = np.random.default_rng(0).normal(-20, 20, (1, 96, 1366)).astype(np.float32)
    with h5py.File(CHOI) as file:
        stored = {key: value[()] for group in file.values() for key, value in group.items()}

    def get(name: str) -> np.ndarray:
        (value,) = [v for key, v in stored.items() if key.startswith(name)]
        return value

    # The input's normalisation: a frame of its own each, "running_std" being a variance.
    padded = np.pad(mel, ((0, 0), (0, 0), (37, 37)))
    scale = get("bn_0_freq_gamma") / np.sqrt(get("bn_0_freq_running_std") + 1e-3)
    normed = (padded - get("bn_0_freq_running_mean")) * scale + get("bn_0_freq_beta")
    middle = keras.Model(network.input, network.get_layer("bn_0_freq").output)
    np.testing.assert_allclose(middle.predict(mel, verbose=0)[..., 0], normed, atol=1e-3)

    # One value of the first convolution: a correlation, as TensorFlow's, with Theano's axes.
    first = keras.Model(network.input, network.get_layer("conv1").output)
    window = normed[0, 9:12, 699:702]
    expected = (get("conv1_W")[:, 0] * window).sum(axis=(1, 2)) + get("conv1_b")
    np.testing.assert_allclose(first.predict(mel, verbose=0)[0, 10, 700], expected, rtol=1e-3)

    # The second GRU, step by step with the gates by their own names.
    steps = keras.Model(network.input, network.get_layer("gru1").output)
    last = keras.Model(network.input, network.get_layer("gru2").output)
    state = np.zeros(32)
    for x in steps.predict(mel, verbose=0)[0]:
        z, r = (
            np.clip(
                0.2 * (x @ get(f"gru2_W_{g}") + state @ get(f"gru2_U_{g}") + get(f"gru2_b_{g}"))
                + 0.5,
                0,
                1,
            )
            for g in "zr"
        )
        new = np.tanh(x @ get("gru2_W_h") + (r * state) @ get("gru2_U_h") + get("gru2_b_h"))
        state = z * state + (1 - z) * new
    np.testing.assert_allclose(last.predict(mel, verbose=0)[0], state, atol=1e-4)
    tags = network.predict(mel, verbose=0)[0]
    expected = 1 / (1 + np.exp(-(state @ get("output_W") + get("output_b"))))
    np.testing.assert_allclose(tags, expected, atol=1e-4)


def test_the_gates_are_those_of_2016() -> None:
    given = np.array([-3.0, -2.5, 0.0, 1.0, 2.5, 3.0])
    found = keras.ops.convert_to_numpy(hard_sigmoid_2016(given))
    np.testing.assert_allclose(found, [0, 0, 0.5, 0.7, 1, 1], atol=1e-6)


@pytest.mark.parametrize("encoder", [HitCNN(), ChoiCRNN()], ids=["hit_cnn", "choi_crnn"])
def test_untrained_ones_say_of_no_licence(encoder: AnyEncoder) -> None:
    assert not encoder.weights_used
    assert encoder.published_weights

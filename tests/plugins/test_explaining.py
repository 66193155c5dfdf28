"""Each encoder's account of a score: complete to 1 %, named, and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from deephits_plugins.bert_lyrics import BertLyrics
from deephits_plugins.bert_lyrics.untrained import write_untrained_bert
from deephits_plugins.bert_tuned import BertTuned
from deephits_plugins.mel_cnn import MelCNN, MelCNNConfig
from deephits_plugins.numeric import Numeric
from keras import ops
from markupsafe import Markup
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from deephits_keras.audio.spectrogram import clip, log_mel
from deephits_keras.encoders.explainable import Explainable, ExplainableFeatures
from deephits_keras.encoders.features import Features, input_dtype
from deephits_keras.explanation.integrated import Attribution, integrated_gradients
from deephits_keras.report.style import svg
from deephits_keras.tracks import Track

COMPLETE = 0.01
"""The promise: contributions add up to the difference of scores, to within this share of it."""

TEXT = "Hello darkness, my old fold friend"


@pytest.fixture(autouse=True)
def seed() -> None:
    keras.utils.set_random_seed(3)


def branch_of(encoder: Any) -> keras.Model:
    inputs = {
        s.name: keras.Input(s.shape, dtype=input_dtype(s), name=s.name)
        for s in encoder.feature_specs
    }
    return keras.Model(inputs, encoder.build(inputs), name=encoder.modality)


def attribute(explainable: Explainable) -> Attribution:
    """Of a random direction of the embedding, squashed as a class score is."""

    def score(values):
        embedding = explainable.embed(values)
        direction = np.random.default_rng(0).normal(size=embedding.shape[-1]).astype("float32")
        return ops.sigmoid(ops.matmul(embedding, direction[:, None])[:, 0])

    found = integrated_gradients(score, explainable.point, explainable.baseline)
    assert abs(found.difference) > 1e-3, "nothing to attribute"
    assert found.error < COMPLETE
    total = sum(part.contribution for part in explainable.parts(found.values))
    assert total == pytest.approx(found.difference, rel=COMPLETE)
    return found


def assert_same_embedding(
    explainable: Explainable, branch: keras.Model, features: Features, rounding: float
) -> None:
    point = {n: ops.convert_to_tensor(array[None]) for n, array in explainable.point.items()}
    ours = ops.convert_to_numpy(explainable.embed(point))
    batch = {name: array[None].astype("float32") for name, array in features.items()}
    np.testing.assert_allclose(ours, ops.convert_to_numpy(branch(batch)), atol=rounding)


# === numeric ===


@pytest.fixture
def numeric() -> Numeric:
    encoder = Numeric()
    rows = np.random.default_rng(0).normal(50, 20, (100, 14)).astype(np.float32)
    rows[:, 10], rows[:, 11] = rows[:, 10] > 50, rows[:, 11] % 12 // 1
    encoder.adapt([{"fields": rows}])
    return encoder


def test_numbers_are_complete_by_column_whatever_is_unknown(numeric: Numeric) -> None:
    branch = branch_of(numeric)
    track = Track("t", fields={"tempo": 120, "energy": 10, "key": 4, "mode": 1, "valence": None})
    features = numeric.extract(track)
    explainable = numeric.explainable(track, features, branch)
    assert_same_embedding(explainable, branch, features, 1e-6)
    parts = {p.name: p for p in explainable.parts(attribute(explainable).values)}
    assert tuple(parts) == numeric.config.columns
    assert parts["tempo"].value == "120"
    assert parts["valence"].value == "unknown"
    assert [name for name, part in parts.items() if not part.empty] == [
        name for name in numeric.config.columns if name in {"tempo", "energy", "key", "mode"}
    ]
    # An unknown value is what the baseline has.
    assert parts["valence"].contribution == parts["release_year"].contribution == 0
    assert all(parts[name].contribution != 0 for name in ("tempo", "energy", "key", "mode"))


def test_every_field_names_its_number(numeric: Numeric) -> None:
    features = numeric.extract(Track("t", fields={"tempo": 120, "release_year": 1999}))
    for field, value in (("tempo", 120), ("release_year", 1999)):
        feature, place = numeric.fields()[field]
        assert features[feature][place] == value


# === mel_cnn ===


def test_a_spectrogram_is_complete_by_time_and_frequency() -> None:
    config = MelCNNConfig(frames=100)
    encoder = MelCNN(config)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 99 * 512).astype(np.float32)
    features = {"log_mel": log_mel(noise, config).astype("float16")}
    encoder.adapt([{"log_mel": rng.normal(-30, 12, (4, 128, 100))}])
    branch = branch_of(encoder)
    explainable = encoder.explainable(Track("t"), features, branch)
    assert_same_embedding(explainable, branch, features, 0)
    np.testing.assert_allclose(explainable.baseline["log_mel"], -30, atol=0.3)
    found = attribute(explainable)
    assert found.values["log_mel"].shape == (128, 100)
    parts = explainable.parts(found.values)
    assert len(parts) == 40
    seconds = 100 * 512 / 22050
    assert parts[0].name.startswith(f"0.0-{seconds / 10:.1f} s, 0-")
    assert parts[-1].name.startswith(f"{seconds * 0.9:.1f}-{seconds:.1f} s, ")
    assert parts[-1].name.endswith("-11025 Hz")
    figure = explainable.draw(found.values)
    assert isinstance(figure, Figure)
    labels = {axes.get_xlabel() for axes in figure.axes} | {a.get_ylabel() for a in figure.axes}
    assert {"seconds of the clip", "frequency, Hz"} <= labels
    assert figure.axes[0].get_xlim() == (0, pytest.approx(seconds))
    overlaid = next(a for a in figure.axes if a.get_xlabel())
    assert to_hex(overlaid.get_facecolor()) == "#ffffff", "it would be dark on a dark page"
    bar = next(a for a in figure.axes if a.get_ylabel() == "contribution of a cell")
    svg(figure)
    assert "0" in [tick.get_text() for tick in bar.get_yticklabels()]
    assert not bar.yaxis.get_offset_text().get_text(), "a power of ten above the bar"


def test_the_padding_of_a_short_clip_is_one_part_of_its_own() -> None:
    config = MelCNNConfig(frames=100)
    encoder = MelCNN(config)
    noise = np.random.default_rng(0).normal(0, 0.1, 40 * 512).astype(np.float32)
    features = {"log_mel": log_mel(clip(noise, config), config).astype("float16")}
    explainable = encoder.explainable(Track("t"), features, branch_of(encoder))
    values = np.zeros((128, 100))
    values[:, 80:] = 1
    *heard, padding = explainable.parts({"log_mel": values})
    assert padding.empty
    assert padding.value == "padding or silence"
    assert padding.contribution == 128 * 20
    # The window of the last frames reaches back to the sound.
    start, end = (float(t) for t in padding.name.removesuffix(" s").split("-"))
    assert 40 * 512 / 22050 <= start <= 44 * 512 / 22050
    assert end == pytest.approx(100 * 512 / 22050, abs=0.06)
    assert len(heard) == 40
    assert not any(part.empty or part.contribution for part in heard)
    assert isinstance(explainable.draw({"log_mel": values}), Figure)


def test_a_contribution_is_drawn_where_it_is() -> None:
    config = MelCNNConfig(frames=100)
    encoder = MelCNN(config)
    features = {"log_mel": np.zeros((128, 100), "float16")}
    explainable = encoder.explainable(Track("t"), features, branch_of(encoder))
    values = np.zeros((128, 100))
    # The band around 1,000 Hz, one second from the start.
    frame = round(22050 / 512)
    band = int(np.searchsorted(explainable._frequencies(), 1000)) - 1
    values[band, frame] = 2
    (largest,) = [p for p in explainable.parts({"log_mel": values}) if p.contribution]
    time, frequency = (
        [float(end) for end in words.split()[0].split("-")] for words in largest.name.split(", ")
    )
    assert time[0] <= 1 <= time[1]
    assert frequency[0] <= 1000 <= frequency[1]
    assert largest.contribution == 2


# === bert_lyrics ===


@pytest.fixture
def lyrics(tmp_path: Path) -> BertLyrics:
    write_untrained_bert(tmp_path / "bert", ["Hello darkness my old friend"])
    return BertLyrics.from_config({"checkpoint": str(tmp_path / "bert")})


def test_words_are_complete_through_bert(lyrics: BertLyrics) -> None:
    track = Track("t", lyrics=TEXT)
    branch, features = branch_of(lyrics), lyrics.extract(track)
    explainable = lyrics.explainable(track, features, branch)
    # The stored vector was padded: float32 sums in another order (the encoder's own promise).
    assert_same_embedding(explainable, branch, features, 1e-5)
    found = attribute(explainable)
    words = [part.name for part in explainable.parts(found.values)]
    # "fold" is no word of the vocabulary, but its letters are; the comma is neither.
    assert words == ["Hello", "darkness", "[UNK]", "my", "old", "fold", "friend"]
    assert len(explainable.tokens) == 10
    # What is the same in the baseline contributes nothing.
    assert not found.values["words"][:, [0, -1]].any()


def test_words_are_complete_through_several_windows(lyrics: BertLyrics) -> None:
    settings = {**lyrics.get_config(), "max_tokens": 6, "windows": 3}
    encoder, track = BertLyrics.from_config(settings), Track("t", lyrics=TEXT)
    branch, features = branch_of(encoder), encoder.extract(track)
    explainable = encoder.explainable(track, features, branch)
    assert explainable.point["words"].shape[:2] == (3, 6)
    assert_same_embedding(explainable, branch, features, 1e-5)
    words = [part.name for part in explainable.parts(attribute(explainable).values)]
    assert words == ["Hello", "darkness", "[UNK]", "my", "old", "fold", "friend"]


def test_words_are_complete_through_trained_layers(lyrics: BertLyrics) -> None:
    encoder = BertTuned.from_config({"checkpoint": lyrics.config.checkpoint, "max_tokens": 16})
    track = Track("t", lyrics=TEXT)
    encoder.adapt(iter(()))
    branch, features = branch_of(encoder), encoder.extract(track)
    explainable = encoder.explainable(track, features, branch)
    # The stored states are rounded to float16.
    assert_same_embedding(explainable, branch, features, 1e-3)
    words = [part.name for part in explainable.parts(attribute(explainable).values)]
    assert words == ["Hello", "darkness", "[UNK]", "my", "old", "fold", "friend"]


def test_the_words_of_the_page_are_text(lyrics: BertLyrics) -> None:
    hostile = "friend <script>alert(1)</script>"
    write_untrained_bert(Path(lyrics.config.checkpoint), [hostile])
    track = Track("t", lyrics=hostile)
    explainable = lyrics.explainable(track, lyrics.extract(track), branch_of(lyrics))
    drawn = explainable.draw(attribute(explainable).values)
    assert isinstance(drawn, Markup)
    assert "friend</span>" in drawn
    assert "&lt;</span>" in drawn
    assert "<script" not in drawn


# === The contract's defaults ===


def test_the_default_moves_numbers_and_holds_whole_ones() -> None:
    dense = keras.layers.Dense(3)
    wave, count = keras.Input((4,), name="wave"), keras.Input((2,), dtype="int32", name="count")
    whole = ops.cast(count, "float32")
    branch = keras.Model({"wave": wave, "count": count}, dense(ops.concatenate([wave, whole], -1)))
    encoder = Numeric()
    specs = [*encoder.feature_specs]
    specs[0] = type(specs[0])("wave", (4,))
    features = {"wave": np.arange(4, dtype="float32"), "count": np.array([7, 8], "int32")}
    explainable = ExplainableFeatures.from_zeros(specs, features, branch)
    found = attribute(explainable)
    (part,) = explainable.parts(found.values)
    assert part.name == "wave"
    assert explainable.draw(found.values) is None

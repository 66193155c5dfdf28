"""`tabular` and the fusion `members`: ranks as scikit-learn's, words, and a batch ensemble."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from deephits_plugins.tabular import Tabular, TabularConfig
from deephits_plugins.tabular import encoder as tabular_encoder
from deephits_plugins.tabular.branch import FlagsAndIndicators, KnownWords, WordPopularity
from deephits_plugins.tabular.encoder import frequent, word_means, word_of
from sklearn.preprocessing import QuantileTransformer

import deephits_keras as dh
from deephits_keras.errors import UserError
from deephits_keras.fields.quantiles import QuantileNormal, fit_quantiles
from deephits_keras.fields.sampling import RowSample
from deephits_keras.model.builder import build_model
from deephits_keras.model.fusion import get_fusion
from deephits_keras.model.members import BatchEnsembleDense, MemberOutput
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import get_task
from deephits_keras.tracks import Track
from deephits_keras.training.losses import PerMember, members_loss, training_targets


def computed(values: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(values))


@pytest.mark.backends
def test_ranks_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    values = np.stack([draw.normal(200_000, 5e4, 900), draw.exponential(1, 900)], axis=1)
    quantiles = fit_quantiles(values)
    theirs = QuantileTransformer(n_quantiles=30, output_distribution="normal").fit(values)
    new = np.stack([draw.normal(200_000, 5e4, 200), draw.exponential(1, 200)], axis=1)
    ours = computed(QuantileNormal(quantiles)(new.astype(np.float32)))
    inside = np.abs(ours) < 1.5
    # A thousandth of a deviation of noise against ties moves a share by about as much.
    np.testing.assert_allclose(ours[inside], theirs.transform(new)[inside], atol=0.02)


def test_what_is_unknown_or_was_never_seen_is_in_the_middle() -> None:
    seen = np.stack([np.arange(300.0), np.full(300, np.nan)], axis=1)
    layer = QuantileNormal(fit_quantiles(seen))
    got = computed(layer(np.array([[np.nan, 63.0], [1e9, np.nan], [-1e9, 0.0]], np.float32)))
    np.testing.assert_allclose(got, np.array([[0, 0], [5.2, 0], [-5.2, 0]]), atol=0.05)


def test_a_tie_is_in_the_middle_of_its_share() -> None:
    seen = np.concatenate([np.zeros(500), np.linspace(1, 2, 500)])[:, None]
    got = computed(QuantileNormal(fit_quantiles(seen))(np.zeros((1, 1), np.float32)))
    # Half of the tracks share the value: the middle of them is the first quartile, -0.67.
    assert got[0, 0] == pytest.approx(-0.674, abs=0.1)


def adapted(*batches: dict[str, np.ndarray[Any, Any]]) -> keras.Model:
    encoder = Tabular(TabularConfig(columns=("tempo",), categories=("genre",)))
    encoder.adapt(batches)
    inputs = {
        n: keras.Input(a.shape[1:], dtype=a.dtype.name, name=n) for n, a in batches[0].items()
    }
    return keras.Model(inputs, encoder.build(inputs))


def test_of_many_tracks_a_sample_is_taken_whatever_the_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tabular_encoder, "MOST_ROWS", 600)
    draw = np.random.default_rng(0)
    tracks = {
        "numbers": draw.normal(120, 20, (5000, 1)).astype(np.float32),
        "words": draw.integers(1, 4, (5000, 1)).astype(np.int32),
    }
    sample = RowSample(600)
    sample.add(tracks)
    rows = sample.rows
    # In their order, from the whole stream, each once, and numbers beside their words.
    places = np.flatnonzero(np.isin(tracks["numbers"], rows["numbers"]))
    assert len(places) == 600
    assert places[0] < 100
    assert places[-1] > 4900
    for name, values in rows.items():
        np.testing.assert_array_equal(tracks[name][places], values)

    parts = [{n: a[k : k + 7] for n, a in tracks.items()} for k in range(0, 5000, 7)]
    models = [adapted(tracks), adapted(*parts), adapted(rows)]
    scores = [computed(model(tracks)) for model in models]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert np.ptp(scores[0][:, 0]) > 4


def test_flags_indicators_and_words() -> None:
    flags = FlagsAndIndicators(["tempo", "key", "mode"])
    got = computed(flags(np.array([[np.nan, 2, 1], [90, np.nan, np.nan]], np.float32)))
    assert got.shape == (2, 3 + 13 + 1)
    assert got[:, :3].tolist() == [[1, 0, 0], [0, 1, 1]]
    assert got[0, 3 + 2] == got[1, 3 + 12] == 1
    assert got[:, -1].tolist() == [1, 0]
    words = computed(KnownWords([[7, 9]])(np.array([[7], [9], [5], [0]], np.int32)))
    assert words.shape == (4, 32)
    assert words[:, [0, 1, 31]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    unlearned = computed(KnownWords([[7, 9]], [False])(np.array([[7], [5]], np.int32)))
    assert unlearned[:, [0, 1, 31]].tolist() == [[1, 0, 0], [0, 0, 0]]


def test_words_are_counted_without_case() -> None:
    assert word_of("Pop") == word_of(" pop ") == word_of(["POP", "x"]) > 0
    assert word_of(1) == word_of(1.0) == word_of("1") == word_of(" 1.0 ") != word_of(True)
    assert word_of(0.5) == word_of("0.5") != word_of(0)
    assert word_of(None) == word_of("") == word_of([]) == word_of(float("nan")) == 0
    column = np.array([5] * 12 + [3] * 20 + [8] * 9 + [0] * 50)
    assert frequent(column) == [3, 5]


def test_a_track_with_nothing_lacks_the_modality() -> None:
    encoder = Tabular(TabularConfig(columns=("tempo",), categories=("genre",)))
    assert encoder.extract(Track("t")) is None
    assert encoder.extract(Track("t", fields={"genre": "pop"})) is not None


@pytest.mark.backends
def test_members_are_separate_networks_with_a_common_matrix() -> None:
    layer = BatchEnsembleDense(5, 3, signs=True)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    got = computed(layer(x))
    inner, outer, bias = (computed(w) for w in (layer.inner, layer.outer, layer.bias))
    assert set(np.unique(inner)) <= {-1.0, 1.0}
    for member in range(3):
        alone = (x * inner[member]) @ computed(layer.kernel) * outer[member] + bias[member]
        np.testing.assert_allclose(got[:, member], np.maximum(alone, 0), atol=1e-5)


@pytest.mark.backends
@pytest.mark.parametrize("classification", [True, False])
def test_members_answer_together_and_learn_apart(classification: bool) -> None:
    layer = MemberOutput(4, classification)
    x = np.random.default_rng(0).normal(size=(6, 3, 5)).astype(np.float32)
    together, apart = computed(layer(x)), computed(layer(x, training=True))
    assert together.shape == (6, 4)
    each = apart.reshape(6, 3, 4)
    if classification:
        scores = np.exp(each) / np.exp(each).sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(np.exp(together), scores.mean(axis=1), atol=1e-5)
        truth, loss = np.arange(6) % 4, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    else:
        np.testing.assert_allclose(together, each.mean(axis=1), atol=1e-5)
        truth, loss = np.ones((6, 4), np.float32), keras.losses.MeanSquaredError()
    per_member = PerMember(loss, 4)
    wanted = np.mean([float(loss(truth, each[:, m])) for m in range(3)])
    assert float(per_member(truth, apart)) == pytest.approx(wanted, rel=1e-5)
    assert float(per_member(truth, together)) == pytest.approx(float(loss(truth, together)))
    again = PerMember.from_config(per_member.get_config())
    assert float(again(truth, apart)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.backends
def test_members_predict_the_popularity_beside_tiers_in_training_alone() -> None:
    layer = MemberOutput(3, True, beside=1)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(6, 2, 5)).astype(np.float32)
    together, apart = computed(layer(x)), computed(layer(x, training=True))
    assert together.shape == (6, 3)
    each = apart.reshape(6, 2, 4)
    scores = np.exp(each[..., :3]) / np.exp(each[..., :3]).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.exp(together), scores.mean(axis=1), atol=1e-5)
    fusion = get_fusion({"name": "members", "popularity_weight": 2.0})
    popularity = np.array([3.0, 24, 25, 64, 65, 100])
    truth = training_targets(get_task("tiers-3"), popularity, fusion)
    assert truth[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    of_tiers = -np.log(np.take_along_axis(scores, truth[:, None, :1].astype(int), axis=2))
    of_popularity = (each[..., 3:] - (popularity[:, None, None] / 100 - 0.4) / 0.2) ** 2
    wanted = float(np.mean(of_tiers + 2 * of_popularity))
    loss = members_loss(get_task("tiers-3"), TrainingConfig(), fusion, beside=1)
    for same in (loss, type(loss).from_config(loss.get_config())):
        assert float(same(truth, apart)) == pytest.approx(wanted, rel=1e-4)
    alone = -np.take_along_axis(together, truth[:, :1].astype(int), axis=1).mean()
    assert float(loss(truth, together)) == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize(
    ("task", "head"), [("regression", "softmax"), ("tiers-3", "corn"), ("tiers-3", "softmax")]
)
def test_whatever_has_no_tier_scores_of_its_own_has_no_popularity_beside(
    task: str, head: str
) -> None:
    fusion = get_fusion({"name": "members", "popularity_weight": 1.0, "head": head})
    targets = training_targets(get_task(task), np.array([10.0, 70]), fusion)
    beside = task == "tiers-3" and head == "softmax"
    assert targets.shape == ((2, 2) if beside else (2,))
    for modalities, trained in (("meta=tabular", False), ("meta=tabular,mel=hit_cnn", True)):
        model = build_model(modalities, fusion=fusion, task=task)
        output = model.get_layer("output")
        assert getattr(output, "beside", 0) == (trained and beside), "fields learn nothing from it"
        assert model.output_shape == (None, get_task(task).outputs)
    with pytest.raises(UserError, match="popularity_weight must be 0 or more"):
        get_fusion({"name": "members", "popularity_weight": -1.0})


@pytest.mark.parametrize("task", ["regression", pytest.param("tiers-3", marks=pytest.mark.nightly)])
def test_planted_a_run_learns_loads_and_is_evaluated(
    task: str, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    draw = np.random.default_rng(0)
    tempo, genre = draw.uniform(60, 200, 600), draw.choice(["pop", "rock", "jazz"], 600)
    base = np.select([genre == "pop", genre == "rock"], [50, 20], 0)
    songs = pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(600)],
            "popularity": np.clip(base + 40 * (tempo > 130) + draw.normal(0, 3, 600), 0, 100),
            "tempo": np.where(draw.random(600) < 0.05, np.nan, tempo),
            "genre": genre,
        }
    )
    songs.to_csv(tmp_path / "songs.csv", index=False)
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    assert deephits("import", "table", tmp_path / "songs.csv", corpus).code == 0
    options = ("--modalities", "meta", "--task", task, "--epochs", "12", "--batch-size", "32")
    done = deephits("train", corpus, run, *options, "--json")
    assert done.code == 0, done.err
    told = deephits("evaluate", run, "--json")
    assert told.code == 0, told.err
    predictions = pd.read_parquet(run / "predictions.parquet")
    found = np.corrcoef(predictions["popularity"], predictions["predicted_popularity"])[0, 1]
    assert found > 0.9
    config = json.loads((run / "config.json").read_text())
    assert config["modalities"]["meta"]["encoder"] == "tabular"
    assert config["fusion"]["name"] == "members"
    asked = deephits("explain", run, "--set", "tempo=180", "--set", "genre=pop", "--json")
    assert asked.code == 0, asked.err
    if task == "regression":
        # Planted: a fast tempo and pop raise popularity, and nothing else does.
        parts = {p["name"]: p for p in json.loads(asked.out)["modalities"]["meta"]["parts"]}
        assert set(sorted(parts, key=lambda p: -parts[p]["contribution"])[:2]) == {"tempo", "genre"}
        assert parts["genre"]["value"] == "pop"
        assert parts["energy"]["contribution"] == 0


def test_a_words_mean_popularity_is_shrunk_to_that_of_all() -> None:
    words = np.array([7] * 60 + [8] * 30 + [0] * 8 + [9] * 2, np.int32)
    popularity = np.array([60.0] * 60 + [20.0] * 30 + [10.0] * 8 + [90.0] * 2)
    known, values = word_means(words, popularity)
    assert known == [0, 7, 8]
    mean = popularity.mean()
    shrunk = np.array([(10 - mean) * 8 / 38, (60 - mean) * 60 / 90, (20 - mean) * 30 / 60])
    each = np.repeat([*shrunk, 0.0], [8, 60, 30, 2])
    np.testing.assert_allclose(values, shrunk / each.std(), rtol=1e-6)
    layer = WordPopularity([known, []], [values, []])
    got = computed(layer(np.array([[7, 7], [0, 0], [9, 9]], np.int32)))
    np.testing.assert_allclose(got, [[values[1], 0], [values[0], 0], [0, 0]], rtol=1e-6)


def test_words_of_equal_popularity_tell_nothing() -> None:
    draw = np.random.default_rng(0)
    alone = draw.uniform(0, 100, 72).round(1).astype(np.float32)
    assert word_means(np.zeros(72, np.int32), alone) == ([], [])
    both = np.tile(draw.uniform(0, 100, 30), 2)
    assert word_means(np.repeat(np.array([1, 2], np.int32), 30), both) == ([], [])


def test_planted_many_rare_words_are_learned_by_their_popularity(tmp_path: Path) -> None:
    """Of 150 genres with eight songs each, none has enough tracks for an indicator."""
    draw = np.random.default_rng(0)
    genre = np.repeat(np.arange(150), 8)
    level = draw.normal(50, 15, 150)[genre]
    songs = {
        "track_id": [f"t{n}" for n in range(len(genre))],
        "popularity": np.clip(level + draw.normal(0, 5, len(genre)), 0, 100).round(1),
        "genre": [f"genre {number}" for number in genre],
        "tempo": draw.uniform(60, 180, len(genre)),
    }
    pd.DataFrame(songs).to_csv(tmp_path / "songs.csv", index=False)
    corpus = dh.import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus
    found = {}
    for told in (False, True):
        run = dh.train(
            corpus,
            tmp_path / f"run-{told}",
            modalities="meta",
            task="regression",
            settings={"tabular": {"word_popularity": told}},
            training={"epochs": 12, "with_boosting": False},
        )
        found[told] = run.metrics["parts"]["validation"]["regression"]["r2"]
    # Of the variance, 90 % is the genres'; of a genre's mean, shrunk over five tracks, a seventh
    # remains, but in the right order.
    assert found[True] > 0.6
    assert found[False] < 0.1

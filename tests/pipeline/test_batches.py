"""Batches: exact shuffling, masks, modality dropout, and the same batches on every backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from toys import toy_stores

from deephits_keras.pipeline.batches import (
    Batches,
    as_pydataset,
    as_tf_dataset,
    dataset,
    training_features,
)

TRACKS = 50


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return toy_stores(tmp_path_factory.mktemp("pipeline") / "corpus", TRACKS)


def batches_of(stores, rows=range(TRACKS), **settings):
    """Batches whose target is the row, so that a batch's targets say which rows it holds."""
    rows = np.array(rows)
    return Batches(stores, rows, rows, **settings)


def seen(batches):
    return [targets.tolist() for _, targets, *_ in batches]


def assert_same(one, other):
    for left, right in zip(one, other, strict=True):
        flat = [keras.tree.flatten(batch) for batch in (left, right)]
        assert left[0].keys() == right[0].keys()
        for a, b in zip(*flat, strict=True):
            a, b = np.asarray(a), np.asarray(b)
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_a_batch_holds_the_models_inputs(stores):
    inputs, targets = batches_of(stores, [9, 0, 6, 7], batch_size=4)[0]
    assert {name: (a.dtype.name, a.shape) for name, a in inputs.items()} == {
        "sound_wave": ("float32", (4, 4, 3)),
        "sound_count": ("int32", (4, 2)),
        "sound_present": ("float32", (4, 1)),
        "text_code": ("float32", (4, 5)),
        "text_present": ("float32", (4, 1)),
    }
    assert targets.tolist() == [9, 0, 6, 7]
    assert inputs["sound_wave"][:, 0, 0].tolist() == [10, 0, 0, 8]
    assert inputs["sound_count"].tolist() == [[10, -10], [0, 0], [0, 0], [8, -8]]
    assert inputs["sound_present"][:, 0].tolist() == [1, 0, 0, 1]
    assert inputs["text_code"][:, 4].tolist() == [-10, -1, 0, 0]
    assert inputs["text_present"][:, 0].tolist() == [1, 1, 0, 0]


def test_without_a_seed_rows_keep_their_order(stores):
    batches = batches_of(stores, [3, 1, 2, 9, 4], batch_size=2)
    assert len(batches) == 3
    assert seen(batches) == [[3, 1], [2, 9], [4]]
    assert seen(batches.epoch(4)) == seen(batches)


def test_a_smaller_last_batch_can_be_left_out(stores):
    batches = batches_of(stores, range(5), batch_size=2, drop_remainder=True)
    assert len(batches) == 2
    assert seen(batches) == [[0, 1], [2, 3]]


def test_shuffling_is_global_exact_and_new_in_each_epoch(stores):
    batches = batches_of(stores, batch_size=8, seed=3)
    epochs = [np.concatenate(seen(batches.epoch(e))) for e in range(3)]
    for order in epochs:
        assert sorted(order) == list(range(TRACKS))
    assert len({tuple(order) for order in epochs}) == 3
    # The first batch of a shuffle within shards of 7 could hold rows of two shards only.
    assert len({row // 7 for row in epochs[0][:8]}) > 2


def test_an_epoch_is_the_same_whether_or_not_others_came_before(stores):
    uninterrupted = batches_of(stores, batch_size=8, seed=3, modality_dropout=0.5)
    for epoch in range(3):
        list(uninterrupted.epoch(epoch))
    resumed = batches_of(stores, batch_size=8, seed=3, modality_dropout=0.5).epoch(2)
    assert_same(uninterrupted.epoch(2), resumed)
    other_seed = batches_of(stores, batch_size=8, seed=4).epoch(2)
    assert seen(other_seed) != seen(resumed)


def test_features_targets_and_weights_stay_aligned_when_shuffled(stores):
    rows = np.arange(TRACKS)
    batches = Batches(stores, rows, rows, weights=rows / 10, batch_size=8, seed=0)
    for inputs, targets, weights in batches:
        expected = np.where(inputs["text_present"][:, 0] > 0, -(targets + 1), 0)
        assert inputs["text_code"][:, 0].tolist() == expected.tolist()
        assert weights.tolist() == (targets / 10).tolist()


SETTINGS = [
    {},
    {"seed": 1},
    {"seed": 1, "weights": np.linspace(0, 1, TRACKS).astype("float32")},
    {"seed": 1, "modality_dropout": 0.4, "drop_remainder": True},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "shuffled", "weights", "dropout"])
def test_both_kinds_of_dataset_give_the_same_batches(stores, settings):
    batches = batches_of(stores, batch_size=8, **settings).epoch(2)
    from_tensorflow = as_tf_dataset(batches)
    keras_dataset = as_pydataset(batches)
    assert from_tensorflow.cardinality() == len(keras_dataset) == len(batches)
    assert_same(from_tensorflow.as_numpy_iterator(), batches)
    assert_same([keras_dataset[i] for i in range(len(keras_dataset))], batches)


def test_tf_datasets_say_their_shapes(stores):
    inputs, targets = as_tf_dataset(batches_of(stores, batch_size=8)).element_spec
    assert inputs["sound_wave"].shape.as_list() == [None, 4, 3]
    assert inputs["sound_wave"].dtype.name == "float32"
    assert targets.shape.as_list() == [None]


@pytest.mark.parametrize("kind", [dataset, as_pydataset])
def test_keras_fits_and_predicts_in_the_order_of_the_batches(stores, kind):
    """The mask of a batch tells rows 6 and 7 apart: a model that passes a feature on shows them."""
    inputs = {
        name: keras.Input(a.shape[1:], dtype=a.dtype.name, name=name)
        for name, a in batches_of(stores)[0][0].items()
    }
    model = keras.Model(inputs, inputs["text_code"][:, :1] * 1.0)
    batches = batches_of(stores, range(10, 40), batch_size=8, seed=5)
    predicted = model.predict(kind(batches), verbose=0)
    assert (-predicted[:, 0] - 1).tolist() == np.concatenate(seen(batches)).tolist()

    outputs = keras.layers.Dense(1)(inputs["text_code"])
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(1e-5))
    history = model.fit(kind(batches), epochs=1, shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_modality_dropout_hides_at_its_rate_but_never_everything(stores):
    rows = np.tile([10, 20, 7], 1000)  # rows 10 and 20 have both modalities, row 7 the first only
    batches = Batches(stores, rows, rows, batch_size=500, seed=0, modality_dropout=0.3)
    inputs, targets = (
        keras.tree.map_structure(lambda *parts: np.concatenate(parts), *parts)
        for parts in zip(*iter(batches), strict=True)
    )
    sound, text = inputs["sound_present"][:, 0], inputs["text_present"][:, 0]
    both = targets != 7
    assert (sound + text >= 1).all()
    assert (sound[~both] == 1).all()
    # Each is drawn with 0.3, and half of the 0.09 in which both are drawn is given back: 0.255.
    # Over 2,000 tracks the standard error is sqrt(0.255 * 0.745 / 2000) = 0.0097; four of them.
    for mask in (sound, text):
        assert 1 - mask[both].mean() == pytest.approx(0.255, abs=0.039)
    # Independent otherwise: both shown with 0.7 * 0.7 = 0.49 (standard error 0.011).
    assert (sound * text)[both].mean() == pytest.approx(0.49, abs=0.045)
    assert not inputs["sound_wave"][sound == 0].any()
    assert not inputs["sound_count"][sound == 0].any()
    assert inputs["sound_wave"][sound == 1].all()


def test_modality_dropout_is_drawn_anew_for_each_epoch_batch_and_seed(stores):
    same_rows = batches_of(stores, [10] * 40, batch_size=20, seed=0, modality_dropout=0.5)
    other_seed = batches_of(stores, [10] * 40, batch_size=20, seed=1, modality_dropout=0.5)
    masks = [
        tuple(batch[0]["sound_present"][:, 0])
        for batch in (*same_rows, *same_rows.epoch(1), *other_seed)
    ]
    assert len(set(masks)) == 6


def test_tracks_without_any_modality_stay_so_under_dropout(stores):
    batches = batches_of(stores, [6] * 20, batch_size=20, seed=0, modality_dropout=0.3)
    inputs, _ = batches[0]
    assert not inputs["sound_present"].any()
    assert not inputs["text_present"].any()


def test_features_to_adapt_to_are_those_of_the_present_rows(stores):
    batches = list(training_features(stores["sound"], [9, 0, 8, 5, 7], batch_size=2))
    assert [b["wave"].dtype.name for b in batches] == ["float32", "float32"]
    assert [b["wave"][:, 0, 0].tolist() for b in batches] == [[8, 9], [10]]
    assert batches[0]["count"].dtype == np.int32


def test_targets_must_be_aligned(stores):
    with pytest.raises(ValueError, match=r"`targets`.*3 for 2 rows"):
        Batches(stores, np.arange(2), np.arange(3))


@pytest.mark.parametrize(
    "settings",
    [{"modality_dropout": 0.5}, {"modality_dropout": 1.0, "seed": 0}, {"batch_size": 0}],
)
def test_bad_settings_are_refused(stores, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        batches_of(stores, **settings)

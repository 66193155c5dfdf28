"""Caches: the same batches wherever features are, and what is too large is refused."""

from __future__ import annotations

import keras
import numpy as np
import psutil
import pytest
from toys import Other, Toy, toy_stores

from deephits_keras import build_model
from deephits_keras.errors import UserError
from deephits_keras.features.store import FeatureStore
from deephits_keras.pipeline.batches import Batches, dataset
from deephits_keras.pipeline.cache import open_cache

TRACKS = 40
ROWS = np.array([0, 5, 6, 7, *range(20, TRACKS)])


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return toy_stores(tmp_path_factory.mktemp("cache") / "corpus", TRACKS)


def batches_of(stores):
    return Batches(stores, ROWS, ROWS, batch_size=8, seed=3, modality_dropout=0.4)


def flat(batch):
    inputs, targets = batch
    return {**inputs, "targets": targets}


def test_memory_holds_the_same_batches(stores):
    cached = batches_of(open_cache("memory", stores, ROWS).stores)
    for ours, read in zip(cached, batches_of(stores), strict=True):
        ours, read = flat(ours), flat(read)
        assert list(ours) == list(read)
        for name in read:
            assert ours[name].dtype == read[name].dtype
            np.testing.assert_array_equal(ours[name], read[name])


def test_on_the_device_only_row_numbers_and_masks_cross(stores):
    inputs, _ = batches_of(open_cache("device", stores, ROWS).stores)[0]
    assert {name: (a.dtype.name, a.shape) for name, a in inputs.items()} == {
        "sound_row": ("int32", (8,)),
        "sound_present": ("float32", (8, 1)),
        "text_row": ("int32", (8,)),
        "text_present": ("float32", (8, 1)),
    }


def trained(stores, cache):
    keras.utils.set_random_seed(1)
    model = build_model([Toy(), Other()], task="regression", learned_missing=["sound", "text"])
    model.compile("adam", "mse", weighted_metrics=["mae"])
    held = open_cache(cache, stores, ROWS)
    fed, losses = held.feed(model), []
    for epoch in range(3):
        data = dataset(batches_of(held.stores).epoch(epoch))
        losses.append(fed.fit(data, shuffle=False, verbose=0).history)
    return losses, [w.numpy().tobytes() for w in model.weights]


def test_training_is_the_same_to_the_bit(stores):
    losses, weights = trained(stores, "none")
    for cache in ("memory", "device"):
        assert trained(stores, cache) == (losses, weights)


def test_features_stay_in_the_dtype_of_the_store(stores):
    tables = open_cache("device", stores, ROWS).tables
    held = {name: keras.backend.standardize_dtype(t.values.dtype) for name, t in tables.items()}
    assert held == {"sound_wave": "float16", "sound_count": "int16", "text_code": "float32"}


@pytest.mark.parametrize("cache", ["memory", "device"])
def test_a_row_that_is_not_held_is_no_other_row(stores, cache):
    with pytest.raises(IndexError, match="Row 9 is not"):
        open_cache(cache, stores, ROWS).stores["sound"].gather([20, 9])


@pytest.mark.parametrize("cache", ["memory", "device"])
def test_what_does_not_fit_is_refused_before_it_is_read(stores, monkeypatch, cache):
    class Full:
        available = 100

    monkeypatch.setattr(psutil, "virtual_memory", Full)
    monkeypatch.setattr(FeatureStore, "gather", None)
    with pytest.raises(UserError, match=f"--cache {cache} needs .* for 24 tracks, and 1e-07 GB"):
        open_cache(cache, stores, ROWS)


def test_an_unknown_cache_is_named(stores):
    with pytest.raises(UserError, match="none, memory, device"):
        open_cache("disk", stores, ROWS)

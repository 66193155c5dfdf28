"""`numeric`: the 26-D vector of Section 2.1 and any other columns."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from deephits_plugins.numeric import Numeric

from deephits_keras.encoders.features import ExtractionError
from deephits_keras.errors import UserError
from deephits_keras.fields.vector import FieldVector
from deephits_keras.tracks import Track

NAN = float("nan")


def table(rows: int) -> np.ndarray:
    """Plausible values of the default columns, the last two `mode` and `key` before metadata."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, 14)) * 20 + 50
    values[:, 2] = rng.normal(210_000, 40_000, rows)
    values[:, 10] = rng.integers(0, 2, rows)
    values[:, 11] = rng.integers(-1, 12, rows)
    values[:, 13] = rng.integers(1960, 2021, rows)
    return values.astype(np.float32)


def vector(encoder: Numeric, rows: np.ndarray) -> np.ndarray:
    fields = keras.Input((rows.shape[1],), name="fields")
    model = keras.Model(fields, encoder.build({"fields": fields}))
    layer = next(layer for layer in model.layers if isinstance(layer, FieldVector))
    return keras.ops.convert_to_numpy(layer(rows))


@pytest.fixture
def adapted() -> Numeric:
    encoder = Numeric()
    encoder.adapt([{"fields": part} for part in np.array_split(table(500), 7)])
    return encoder


def test_the_default_vector_is_the_papers_26_numbers(adapted: Numeric) -> None:
    rows = table(500)
    values = vector(adapted, rows)
    assert values.shape == (500, 26)
    scaled = [*range(10), 24, 25]
    np.testing.assert_allclose(values[:, scaled].mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(values[:, scaled].std(axis=0), 1, atol=1e-3)
    np.testing.assert_array_equal(values[:, 10], rows[:, 10])
    indicators = values[:, 11:24]
    np.testing.assert_array_equal(indicators.sum(axis=1), 1)
    pitch = np.where(rows[:, 11] < 0, 12, rows[:, 11])
    np.testing.assert_array_equal(indicators.argmax(axis=1), pitch)


def test_an_unknown_value_is_at_the_mean_and_an_unknown_key_undefined(adapted: Numeric) -> None:
    values = vector(adapted, np.full((1, 14), np.nan, np.float32))[0]
    assert values[23] == 1
    assert np.count_nonzero(values) == 1


def test_unknown_values_do_not_move_the_mean() -> None:
    encoder = Numeric.from_config({"columns": ["tempo"]})
    encoder.adapt([{"fields": np.array([[100.0], [NAN]])}, {"fields": np.array([[140.0], [NAN]])}])
    values = vector(encoder, np.array([[100.0], [140.0], [NAN]], np.float32))
    np.testing.assert_allclose(values[:, 0], [-1, 1, 0], atol=1e-6)


def test_a_column_that_training_never_saw_or_that_never_varies_counts_for_nothing() -> None:
    encoder = Numeric.from_config({"columns": ["tempo", "artist_popularity", "energy"]})
    encoder.adapt([{"fields": np.array([[90, NAN, 0.5], [120, NAN, 0.5]])}])
    asked = np.array([[105, NAN, 0.5], [105, 63, 0.5], [105, 63, 80]], np.float32)
    np.testing.assert_allclose(vector(encoder, asked), 0, atol=1e-20)


def test_columns_are_read_by_name_and_the_unknown_ones_listed() -> None:
    encoder = Numeric.from_config({"columns": "followers,tempo,energy"})
    track = Track("t", fields={"tempo": "120.5", "energy": None, "other": 3})
    features = encoder.extract(track)
    assert features is not None
    np.testing.assert_array_equal(features["fields"], np.array([NAN, 120.5, NAN], np.float32))
    assert encoder.missing_parts(track, features) == ("followers", "energy")


def test_a_track_with_none_of_the_columns_lacks_the_modality() -> None:
    assert Numeric().extract(Track("t", fields={"name": "a song"})) is None


@pytest.mark.parametrize("value", ["fast", float("inf"), [1.0]])
def test_what_is_no_number_names_track_and_field(value: object) -> None:
    with pytest.raises(ExtractionError, match="track t9: tempo must be"):
        Numeric().extract(Track("t9", fields={"tempo": value}))


@pytest.mark.parametrize("columns", [[], ["tempo", "tempo"]])
def test_columns_must_be_different_names(columns: list[str]) -> None:
    with pytest.raises(UserError, match="columns must be different names"):
        Numeric.from_config({"columns": columns})


def test_in_half_precision_a_duration_keeps_its_value(adapted: Numeric) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        rows = table(50)
        assert np.isfinite(vector(adapted, rows)).all()
        assert abs(vector(adapted, rows)[:, 2].std() - 1) < 0.5
    finally:
        keras.config.set_dtype_policy("float32")


def test_saved_and_loaded_the_branch_gives_the_same(adapted: Numeric, tmp_path: Path) -> None:
    fields = keras.Input((14,), name="fields")
    model = keras.Model(fields, adapted.build({"fields": fields}))
    model.save(tmp_path / "branch.keras")
    loaded = keras.saving.load_model(tmp_path / "branch.keras", safe_mode=True)
    rows = table(5)
    rows[0, 3] = NAN
    np.testing.assert_array_equal(model.predict_on_batch(rows), loaded.predict_on_batch(rows))

"""Batch normalisation by the fused kernel is Keras' own, but for the order of its sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deephits_keras.model.normalization import BatchNormalization

SHAPE = (3, 6, 5, 4)


def layer(kind: type[keras.layers.BatchNormalization], **options: Any) -> keras.layers.Layer:
    norm = kind(momentum=0.9, epsilon=1e-5, **options)
    norm.build(SHAPE)
    draw = np.random.default_rng(1)
    norm.set_weights([draw.uniform(0.5, 2, 4) for _ in norm.weights])
    return norm


def trained_once(norm: keras.layers.Layer) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(2)
    x = tf.Variable(draw.normal(3, 2, SHAPE).astype(np.float32))
    weight = draw.normal(0, 1, SHAPE).astype(np.float32)
    with tf.GradientTape() as tape:
        outputs = tf.cast(norm(x, training=True), "float32")
        loss = tf.reduce_sum(outputs * weight)
    gradients = tape.gradient(loss, [x, *norm.trainable_weights])
    return {
        "outputs": outputs.numpy(),
        **{f"gradient {number}": value.numpy() for number, value in enumerate(gradients)},
        "moving mean": norm.moving_mean.numpy(),
        "moving variance": norm.moving_variance.numpy(),
    }


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_outputs_gradients_and_moving_averages_are_those_of_keras(policy: str) -> None:
    ours = trained_once(layer(BatchNormalization, dtype=policy))
    keras_own = trained_once(layer(keras.layers.BatchNormalization, dtype=policy))
    # Sums of 90 rounded terms; in half precision both round what they give once, the same sums.
    rounding = {"float32": 90 * 2**-23, "mixed_float16": 2**-10, "mixed_bfloat16": 2**-7}[policy]
    for name, expected in keras_own.items():
        scale = np.abs(expected).max()
        assert np.abs(ours[name] - expected).max() <= rounding * scale, name


@pytest.mark.parametrize(
    ("options", "shape", "fused"),
    [
        ({}, SHAPE, True),
        ({"axis": 3}, SHAPE, True),
        ({"axis": 1}, SHAPE, False),
        ({"scale": False}, SHAPE, False),
        ({"center": False}, SHAPE, False),
        ({"synchronized": True}, SHAPE, False),
        ({"renorm": True}, SHAPE, False),
        ({"dtype": "float64"}, SHAPE, False),
        ({}, (3, 4), False),
        ({}, (3, 6, 4), False),
    ],
)
def test_the_kernel_is_used_where_it_is_the_same_function(
    options: dict[str, Any], shape: tuple[int, ...], fused: bool
) -> None:
    norm = BatchNormalization(**options)
    norm.build(shape)
    traced = tf.function(lambda x: norm(x, training=True)).get_concrete_function(
        tf.TensorSpec(shape, norm.compute_dtype)
    )
    assert any(o.type == "FusedBatchNormV3" for o in traced.graph.get_operations()) == fused


def test_frozen_or_outside_of_training_the_moving_averages_normalise() -> None:
    x = np.random.default_rng(0).normal(3, 2, SHAPE).astype(np.float32)
    norm, peer = layer(BatchNormalization), layer(keras.layers.BatchNormalization)
    np.testing.assert_array_equal(norm(x, training=False), peer(x, training=False))
    norm.trainable = peer.trainable = False
    np.testing.assert_array_equal(norm(x, training=True), peer(x, training=True))
    np.testing.assert_array_equal(norm.moving_mean, peer.moving_mean)


def test_a_model_with_it_is_saved_and_loaded_in_safe_mode(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input(SHAPE[1:]), BatchNormalization(momentum=0.8)])
    model.save(tmp_path / "model.keras")
    [loaded] = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True).layers
    assert isinstance(loaded, BatchNormalization)
    assert (loaded.momentum, loaded.epsilon) == (0.8, 1e-5)

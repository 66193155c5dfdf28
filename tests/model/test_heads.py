"""The ordinal heads against their definitions, and every head in every fusion on every backend."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deephits_keras import build_model
from deephits_keras.errors import UserError
from deephits_keras.model.builder import trainable_parameters
from deephits_keras.model.fusion import FUSIONS
from deephits_keras.model.head_names import HEADS
from deephits_keras.model.heads import ConditionalTiers, CumulativeTiers, PairwiseTiers

Array = np.ndarray[Any, Any]
TIERS, SIZE = 5, 7
FLOAT32 = 1e-5
"""Sums of a dozen float32 terms of size ten."""

PREDICT = """
import sys, keras, numpy as np
from pathlib import Path
from deephits_keras import build_model
build_model("lyrics,meta")
inputs = dict(np.load(sys.argv[1]))
found = {}
for path in sorted(Path(sys.argv[1]).parent.glob("*.keras")):
    model = keras.saving.load_model(path, safe_mode=True)
    found[path.stem] = model.predict(inputs, verbose=0)
np.savez(sys.argv[2], **found)
"""


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def embeddings(count: int = 6) -> Array:
    return np.random.default_rng(0).normal(size=(count, SIZE)).astype("float32")


def numpy_of(tensor: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float64")


def test_corn_is_the_chain_rule_of_its_conditional_probabilities() -> None:
    head, x = ConditionalTiers(TIERS), embeddings()
    scores = np.exp(numpy_of(head(x)))
    goes_on = sigmoid(x @ numpy_of(head.beyond.kernel) + numpy_of(head.beyond.bias))
    for tier in range(TIERS):
        wanted = goes_on[:, :tier].prod(axis=1)
        if tier < TIERS - 1:
            wanted = wanted * (1 - goes_on[:, tier])
        np.testing.assert_allclose(scores[:, tier], wanted, rtol=FLOAT32)


def test_cross_entropy_of_corn_is_its_own_loss() -> None:
    """Shi et al.: binary cross-entropies of the conditional tasks, each on the tracks it is of."""
    head, x = ConditionalTiers(TIERS), embeddings(20)
    scores, tiers = head(x), np.arange(20) % TIERS
    logits = x @ numpy_of(head.beyond.kernel) + numpy_of(head.beyond.bias)
    wanted = 0.0
    for task in range(TIERS - 1):
        there = tiers >= task
        beyond = tiers[there] > task
        chance = sigmoid(logits[there, task])
        wanted -= np.log(np.where(beyond, chance, 1 - chance)).sum()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    np.testing.assert_allclose(numpy_of(loss(tiers, scores)), wanted, rtol=FLOAT32)


def test_cumulative_is_the_difference_of_two_sigmoids() -> None:
    head, x = CumulativeTiers(TIERS), embeddings()
    scores = np.exp(numpy_of(head(x)))
    steps = np.log1p(np.exp(numpy_of(head.steps)))
    finite = numpy_of(head.lowest) + np.array([0, *steps.cumsum()])
    thresholds = np.concatenate([[-np.inf], finite, [np.inf]])
    number = x @ numpy_of(head.popularity.kernel)
    np.testing.assert_allclose(scores, np.diff(sigmoid(thresholds - number)), rtol=10 * FLOAT32)


def test_cumulative_starts_from_equally_likely_tiers() -> None:
    scores = np.exp(numpy_of(CumulativeTiers(TIERS)(np.zeros((1, SIZE), "float32"))))
    np.testing.assert_allclose(scores, 1 / TIERS, rtol=10 * FLOAT32)


def test_pairwise_is_the_tier_of_the_first_reference_that_is_not_beaten() -> None:
    head = PairwiseTiers(TIERS, units=(6, 3))
    x = embeddings()
    scores = np.exp(numpy_of(head(x)))
    references = numpy_of(head.references)
    assert references.shape == (TIERS - 1, SIZE)
    beaten = np.empty((len(x), TIERS - 1))
    for number, reference in enumerate(references):
        pairs = np.concatenate([x, np.tile(reference, (len(x), 1))], axis=1)
        for layer in head.network:
            pairs = pairs @ numpy_of(layer.kernel) + numpy_of(layer.bias)
            if layer is not head.network[-1]:
                pairs = np.maximum(pairs, 0)
        beaten[:, number] = sigmoid(pairs[:, 0])
    reached = np.cumprod(np.concatenate([np.ones((len(x), 1)), beaten], axis=1), axis=1)
    wanted = reached * np.concatenate([1 - beaten, np.ones((len(x), 1))], axis=1)
    np.testing.assert_allclose(scores, wanted, rtol=10 * FLOAT32)


@pytest.mark.parametrize("layer", [ConditionalTiers, CumulativeTiers, PairwiseTiers])
def test_far_from_every_threshold_scores_and_gradients_stay_finite(layer: Any) -> None:
    import tensorflow as tf

    head = layer(TIERS)
    x = tf.constant(np.outer([1e4, -1e4], np.ones(SIZE)), "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = head(x)
        loss = tf.reduce_sum(logits)
    assert np.isfinite(logits).all()
    assert np.isfinite(tape.gradient(loss, x)).all()
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=10 * FLOAT32)


@pytest.mark.parametrize(
    ("head", "parameters"),
    [
        ("softmax", 65 * 10),
        ("corn", 65 * 9),
        ("cumulative", 64 + 9),
        # Nine references, and layers of 256, 128, 128, 128, 64 and 1 on pairs.
        ("pairwise", 9 * 64 + 129 * 256 + 257 * 128 + 2 * 129 * 128 + 129 * 64 + 65),
    ],
)
def test_parameters_of_the_output(head: str, parameters: int) -> None:
    plain = trainable_parameters(build_model("meta")) - 65 * 10
    model = build_model("meta", fusion={"name": "early", "head": head})
    assert trainable_parameters(model) - plain == parameters
    assert model.output_shape == (None, 10)


def test_an_unknown_head_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no head named 'coral'\. Heads: softmax, corn, cumul"):
        build_model("meta", fusion={"name": "early", "head": "coral"})


def test_a_regression_takes_no_order() -> None:
    with pytest.raises(UserError, match="'corn' is for tiers, not for regression"):
        build_model("meta", fusion={"name": "late", "head": "corn"}, task="regression")


@pytest.mark.nightly
@pytest.mark.parametrize(
    "backend", [b for b in ("jax", "torch") if importlib.util.find_spec(b) is not None]
)
def test_every_head_and_fusion_says_the_same_on_another_backend(
    backend: str, tmp_path: Path
) -> None:
    wanted, inputs = {}, {}
    pairs = {*((f, "softmax") for f in FUSIONS), *itertools.product(("early", "members"), HEADS)}
    for fusion, head in sorted(pairs):
        model = build_model(
            "lyrics,meta",
            fusion={"name": fusion, "head": head},
            task="tiers-5",
            learned_missing=["meta"],
        )
        draw = np.random.default_rng(1)
        inputs = {
            name: draw.normal(size=(6, *tensor.shape[1:])).astype("float32")
            for name, tensor in model.input.items()
        }
        inputs["lyrics_present"] = np.array([[1], [1], [0], [0], [1], [0]], "float32")
        inputs["meta_present"] = np.array([[1], [0], [1], [0], [1], [1]], "float32")
        wanted[f"{fusion}-{head}"] = model.predict(inputs, verbose=0)
        model.save(tmp_path / f"{fusion}-{head}.keras")
    savez: Any = np.savez
    savez(tmp_path / "inputs.npz", **inputs)
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(tmp_path / "inputs.npz"), str(tmp_path / "out.npz")],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = np.load(tmp_path / "out.npz")
    assert set(found) == set(wanted)
    for name, logits in wanted.items():
        np.testing.assert_allclose(found[name], logits, rtol=FLOAT32, atol=FLOAT32, err_msg=name)

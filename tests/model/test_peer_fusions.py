"""The fusions of other systems against their definitions and published sizes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from deephits_plugins.essentia_statistics import EssentiaStatistics
from deephits_plugins.essentia_statistics.groups import GROUPS
from deephits_plugins.scaled_fields import ScaledFields, ScaledFieldsConfig

from deephits_keras.errors import UserError
from deephits_keras.model.builder import build_model
from deephits_keras.model.contrast import ContrastiveReconstruction
from deephits_keras.model.fusion import get_fusion

Array = np.ndarray[Any, Any]
FLOAT32 = 1e-5


def numpy_of(tensor: Any) -> Array:
    found: Array = keras.ops.convert_to_numpy(tensor)
    return found


@pytest.fixture(scope="module")
def wide_deep() -> keras.Model:
    fields = ScaledFields(ScaledFieldsConfig(columns=("release_year", "tempo")))
    fusion = {"name": "wide_deep", "wide": ("meta",)}
    return build_model([EssentiaStatistics(), fields], fusion=fusion, task="regression")


def test_wide_and_deep_has_the_size_of_the_published_network(wide_deep: keras.Model) -> None:
    # A unit per deep group; two layers with a unit per group; two columns in the wide group.
    groups = len(GROUPS) + 1
    reduced = sum(len(group) + 1 for group in GROUPS.values())
    joined = len(GROUPS) + 2
    layers = groups * (joined + 1) + groups * (groups + 1)
    assert len(GROUPS) == 31
    assert wide_deep.count_params() == reduced + layers + groups + 1


def test_a_wide_group_stays_as_it_is_and_a_deep_one_sees_its_own_numbers(
    wide_deep: keras.Model,
) -> None:
    fused = keras.Model(wide_deep.input, wide_deep.get_layer("fused").output)
    rng = np.random.default_rng(0)
    inputs = {
        name: rng.uniform(size=(2, *tensor.shape[1:])).astype("float32")
        for name, tensor in wide_deep.input.items()
    }
    inputs["statistics_present"][:] = inputs["meta_present"][:] = 1
    before = numpy_of(fused(inputs))
    np.testing.assert_allclose(before[:, -2:], inputs["meta_fields"], rtol=FLOAT32)
    # The second group is dissonance, after one number of loudness.
    inputs["statistics_statistics"][:, 1:10] += 1
    after = numpy_of(fused(inputs))
    assert np.flatnonzero((before != after).any(axis=0)).tolist() == [1]


def test_wide_and_deep_needs_something_deep() -> None:
    with pytest.raises(UserError, match="a modality that isn't wide"):
        build_model("meta", fusion={"name": "wide_deep", "wide": ("meta",)})


def built(fusion: dict[str, Any], sizes: dict[str, int], outputs: int = 3) -> keras.Model:
    embeddings = {name: keras.Input((size,), name=name) for name, size in sizes.items()}
    presence = {name: keras.Input((1,), name=f"{name}_present") for name in sizes}
    inputs = {**embeddings, **{f"{name}_present": mask for name, mask in presence.items()}}
    return keras.Model(inputs, get_fusion(fusion).build(embeddings, presence, outputs, True))


def vectors(sizes: dict[str, int], rows: int = 4) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    found = {n: rng.uniform(size=(rows, size)).astype("float32") for n, size in sizes.items()}
    return found | {f"{name}_present": np.ones((rows, 1), "float32") for name in sizes}


def test_normalized_embeddings_have_no_length() -> None:
    sizes = {"a": 5, "b": 300}
    model, inputs = built({"name": "normalized"}, sizes), vectors(sizes)
    longer = inputs | {"b": 50 * inputs["b"]}
    np.testing.assert_allclose(numpy_of(model(longer)), numpy_of(model(inputs)), rtol=1e-4)
    fused = numpy_of(keras.Model(model.input, model.get_layer("fused").output)(inputs))
    np.testing.assert_allclose((fused**2).sum(axis=1), 2, rtol=FLOAT32)


def test_the_residual_autoencoder_has_the_published_sizes() -> None:
    # OpenAI's vectors of 3072 numbers: layers of 1536, 768 and 384 to a code of 256 (twelfth).
    model = built({"name": "residual"}, {"lyrics": 3072, "low_level": 207, "meta": 15})
    width = {
        layer.name: layer.output.shape[-1]
        for layer in model.layers
        if layer.name != "lyrics_losses"
    }
    hidden = [width[f"lyrics_encode_{n}"] for n in (1, 2, 3)]
    assert hidden == [width[f"lyrics_decode_{n}"] for n in (3, 2, 1)] == [1536, 768, 384]
    assert [width[f"lyrics_encode_{n}_wide"] for n in (1, 2, 3)] == [6144, 3072, 1536]
    assert width["lyrics_encode_last"] == 256
    assert width["low_level_code"] == 207 // 5
    joined = 256 + 41 + 15
    assert width["fused"] == width["fusion_1"] == joined
    assert [width["fusion_2"], width["fusion_3"]] == [joined // 2, joined // 4]


def test_its_losses_are_those_of_the_authors_and_leave_absent_tracks_out() -> None:
    rng = np.random.default_rng(0)
    code, other, original, made = (
        rng.normal(size=(4, size)).astype("float32") for size in (3, 3, 7, 7)
    )
    original /= np.linalg.norm(original, axis=1, keepdims=True)
    present = np.array([[1], [1], [1], [0]], "float32")
    layer = ContrastiveReconstruction(2.0, 0.2, 0.05)
    np.testing.assert_array_equal(numpy_of(layer(code, other, original, made, present)), code)
    unit = [v[:3] / np.linalg.norm(v[:3], axis=1, keepdims=True) for v in (code, other, made)]
    cosine = (original[:3] * unit[2]).sum(axis=1)
    logits = unit[0] @ unit[1].T / 0.05
    nearest = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
    error = ((original - made)[:3] ** 2).mean()
    wanted = 2 * (1 - cosine.mean() + error + 0.2 * nearest.mean())
    assert float(layer.losses[0]) == pytest.approx(wanted, rel=1e-4)


def test_its_noise_is_for_training_alone() -> None:
    sizes = {"lyrics": 24}
    model, inputs = built({"name": "residual", "noise": 1.0}, sizes), vectors(sizes)
    code = keras.Model(model.input, model.get_layer("lyrics_losses").output)
    first, second = (numpy_of(code(inputs, training=True)) for _ in range(2))
    assert not np.allclose(first, second)
    assert float(code.losses[0]) > 0
    np.testing.assert_array_equal(numpy_of(code(inputs)), numpy_of(code(inputs)))

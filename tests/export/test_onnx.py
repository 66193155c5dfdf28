"""The exported graph says what the Keras model says, of every fusion, head and encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest

from deephits_keras.encoders.features import PRESENT
from deephits_keras.encoders.registry import registry, resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.export.examples import TOLERANCE, score_difference
from deephits_keras.export.inspection import LARGEST_TENSOR, check_graph
from deephits_keras.export.onnx_graph import write_onnx
from deephits_keras.export.tensors import TensorInfo, tensors
from deephits_keras.model.builder import build_model, with_temperature
from deephits_keras.model.ensemble import ensemble
from deephits_keras.model.fusion import FUSIONS, get_fusion
from deephits_keras.model.head_names import HEADS
from deephits_keras.tasks import get_task

onnxruntime = pytest.importorskip("onnxruntime")

TRACKS = 64
WORDS = {"max_words": 12, "buckets": 50, "word_size": 8, "states": 8, "units": 16}
SETTINGS = {
    "mel_cnn": {"frames": 96},
    "mel_fcn": {"frames": 96, "mel_bands": 48},
    "mel_crnn": {"frames": 192, "mel_bands": 16},
    "lyrics_lstm": WORDS,
}
"""Small enough to build in a moment."""

MODELS: dict[str, dict[str, Any]] = {
    "early": {"modalities": "mel,meta", "fusion": "early", "task": "tiers-3"},
    "corn": {
        "modalities": "meta",
        "fusion": {"name": "early", "head": "corn"},
        "task": "tiers-10",
    },
    "cumulative": {
        "modalities": "meta=scaled_fields,style",
        "fusion": {"name": "early", "head": "cumulative"},
        "task": "tiers-5",
    },
    "late": {"modalities": "mel=mel_fcn,low_level,meta", "fusion": "late", "task": "tiers-5"},
    "gated": {
        "modalities": "mel=mel_crnn,lyrics=lyrics_lstm,meta",
        "fusion": "gated",
        "task": "regression",
        "learned_missing": ("lyrics",),
    },
    "compressed": {"modalities": "artist,meta", "fusion": "compressed", "task": "tiers-3"},
    "members": {"modalities": "meta=tabular", "fusion": "members", "task": "regression"},
    "hit_cnn": {"modalities": "mel=hit_cnn", "fusion": "early", "task": "tiers-3"},
    "choi_crnn": {"modalities": "mel=choi_crnn", "fusion": "early", "task": "tiers-3"},
    "vectors": {"modalities": "lyrics,essentia", "fusion": "late", "task": "regression"},
}
"""Every fusion, head and encoder that ships, each at least once."""


def build(name: str) -> tuple[keras.Model, dict[str, Any], str]:
    values = dict(MODELS[name])
    modalities = values.pop("modalities")
    encoders = resolve_modalities(modalities)
    settings = {e.name: SETTINGS[e.name] for e in encoders.values() if e.name in SETTINGS}
    encoders = resolve_modalities(modalities, settings)
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(1)
    for encoder in encoders.values():
        encoder.adapt([{**features(encoder, rng), "popularity": rng.uniform(0, 100, TRACKS)}])
    return build_model(list(encoders.values()), **values), encoders, values["task"]


def features(encoder: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Plausible features of some tracks, with unknown numbers where fields are."""
    found = {}
    for spec in encoder.feature_specs:
        shape = (TRACKS, *spec.shape)
        if np.issubdtype(np.dtype(spec.dtype), np.integer):
            found[spec.name] = rng.integers(0, 40, shape).astype(spec.dtype)
        elif encoder.modality == "meta":
            values = rng.normal(50, 20, shape).astype(spec.dtype)
            columns = [*encoder.config.columns, *getattr(encoder.config, "categories", ())]
            for place, column in enumerate(columns):
                if column in ("key", "mode"):
                    values[:, place] = rng.integers(-1 if column == "key" else 0, 2, TRACKS)
            values[rng.random(shape) < 0.3] = np.nan
            found[spec.name] = values
        else:
            found[spec.name] = rng.normal(-0.3, 0.5, shape).astype(spec.dtype)
    return found


def inputs_of(encoders: dict[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    inputs: dict[str, Any] = {}
    for modality, encoder in encoders.items():
        inputs |= {f"{modality}_{name}": v for name, v in features(encoder, rng).items()}
        inputs[f"{modality}_{PRESENT}"] = rng.random((TRACKS, 1)) > 0.3
    return {tensor.name: inputs[tensor.name].astype(tensor.dtype) for tensor in tensors(encoders)}


def test_nothing_that_ships_is_left_out() -> None:
    fusions = {get_fusion(model["fusion"]).name for model in MODELS.values()}
    assert fusions == set(FUSIONS)
    heads = {getattr(get_fusion(model["fusion"]), "head", "softmax") for model in MODELS.values()}
    assert heads == set(HEADS)
    used = {e.name for m in MODELS.values() for e in resolve_modalities(m["modalities"]).values()}
    shipped = {r.name for r in registry().registrations if r.distribution == "deephits-keras"}
    assert used == shipped


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_scores_as_the_model(name: str, tmp_path: Path) -> None:
    model, encoders, task_name = build(name)
    task, path = get_task(task_name), tmp_path / "model.onnx"
    if name == "early":
        model = with_temperature(model, 2.5)
    if name == "corn":
        model = ensemble([model, build(name)[0]], list(encoders), classification=True)
    write_onnx(model, path)
    check_graph(path, tensors(encoders), task.outputs)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = inputs_of(encoders)
    wanted = np.asarray(model.predict_on_batch(inputs))
    assert np.isfinite(wanted).all()
    assert wanted.std(axis=0).max() > 1e-4
    (given,) = session.run(["outputs"], inputs)
    assert score_difference(task, given, wanted) <= TOLERANCE
    # The batch is dynamic, and no track's answer depends on the others'.
    (one,) = session.run(["outputs"], {name: values[:1] for name, values in inputs.items()})
    assert score_difference(task, one, wanted[:1]) <= TOLERANCE


INPUTS = (TensorInfo("x", (3,), "float32", "numbers"),)


def graph(path: Path, *nodes: Any, weights: tuple[Any, ...] = (), size: int = 3) -> Path:
    """A graph of one input `x` and an output of the last node."""
    from onnx import TensorProto, helper

    def value(name: str, width: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])

    made = helper.make_graph(
        nodes, "made", [value("x", 3)], [value("outputs", size)], initializer=weights
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_plain_graph_passes(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["outputs"])
    check_graph(graph(tmp_path / "model.onnx", node), INPUTS, 3)


@pytest.mark.parametrize(
    ("nodes", "weights", "said"),
    [
        ([("Run", ["x"], ["outputs"], {"domain": "evil.ops"})], (), "operator Run of 'evil.ops'"),
        (
            [("MatMul", ["x", "two"], ["outputs"], {})],
            (onnx.helper.make_tensor("two", onnx.TensorProto.FLOAT, [2, 3], [0.0] * 6),),
            "its shapes don't fit together",
        ),
        (
            [
                ("ConstantOfShape", ["large"], ["y"], {}),
                ("ReduceSum", ["y"], ["z"], {"keepdims": 0}),
                ("Add", ["x", "z"], ["outputs"], {}),
            ],
            (
                onnx.helper.make_tensor(
                    "large", onnx.TensorProto.INT64, [2], [2**20, LARGEST_TENSOR]
                ),
            ),
            "'y' of shape .* is too large",
        ),
    ],
)
def test_a_hostile_graph_is_refused(
    nodes: list[Any], weights: tuple[Any, ...], said: str, tmp_path: Path
) -> None:
    made = [onnx.helper.make_node(op, i, o, **more) for op, i, o, more in nodes]
    with pytest.raises(UserError, match=said):
        check_graph(graph(tmp_path / "model.onnx", *made, weights=weights), INPUTS, 3)


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    weights = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    weights.ClearField("float_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    node = onnx.helper.make_node("Add", ["x", "w"], ["outputs"])
    with pytest.raises(UserError, match="lie in another file"):
        check_graph(graph(tmp_path / "model.onnx", node, weights=(weights,)), INPUTS, 3)


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ((TensorInfo("x", (4,), "float32", ""),), 3, "it takes"),
        ((TensorInfo("y", (3,), "float32", ""),), 3, "it takes"),
        ((TensorInfo("x", (3,), "int32", ""),), 3, "it takes"),
        (INPUTS, 5, "it gives"),
    ],
)
def test_a_graph_of_other_inputs_or_outputs_is_refused(
    inputs: tuple[TensorInfo, ...], outputs: int, said: str, tmp_path: Path
) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["outputs"])
    with pytest.raises(UserError, match=said):
        check_graph(graph(tmp_path / "model.onnx", node), inputs, outputs)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xff" * 99)
    with pytest.raises(UserError, match="not an ONNX graph"):
        check_graph(path, INPUTS, 3)


def test_an_input_too_large_to_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        TensorInfo("x", (2**20, 2**20), "float32", "")

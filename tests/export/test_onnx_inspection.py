"""What a stranger's ONNX graph may not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import LARGEST_TENSOR
from deephits_keras.export.formats.onnx_inspection import check_graph
from deephits_keras.export.tensors import TensorInfo

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
        (
            [
                ("Pow", ["two", "forty"], ["last"], {}),
                ("Range", ["zero", "last", "two"], ["y"], {}),
                ("ReduceSum", ["y"], ["z"], {"keepdims": 0}),
                ("Add", ["x", "z"], ["outputs"], {}),
            ],
            tuple(
                onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [], [value])
                for name, value in (("two", 2.0), ("forty", 40.0), ("zero", 0.0))
            ),
            "makes 'y' from constants, of a size that only computing it would tell",
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

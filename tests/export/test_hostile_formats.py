"""What a stranger's files of each format may not be, and what a missing package says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as SavedModelProto

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import MissingPackageError
from deephits_keras.export.formats.frozen import constants
from deephits_keras.export.formats.litert import write_litert
from deephits_keras.export.formats.onnx import write_onnx
from deephits_keras.export.formats.openvino import write_openvino
from deephits_keras.export.formats.registry import FORMATS
from deephits_keras.export.formats.saved_model import served, write_saved_model
from deephits_keras.export.tensors import TensorInfo

INPUTS = (TensorInfo("x", (3,), "float32", "numbers"),)

RUNTIMES = {
    "onnx": "onnxruntime",
    "saved-model": "tensorflow.core.protobuf.saved_model_pb2",
    "openvino": "openvino",
    "litert": "ai_edge_litert.interpreter",
    "essentia": "tensorflow.compat.v1",
    "web": "onnxruntime",
}


def saved(folder: Path, compute: Callable[[Any], Any], name: str = "x") -> Path:
    """A SavedModel of one input of three numbers."""
    spec = tf.TensorSpec((None, 3), tf.float32, name)
    write_saved_model(
        tf.function(lambda x: [compute(x)]).get_concrete_function(spec), folder / "saved_model"
    )
    return folder


def test_a_plain_graph_is_run(tmp_path: Path) -> None:
    score = FORMATS["saved-model"].open(saved(tmp_path, lambda x: x + 1), INPUTS, 3)
    assert score({"x": tf.zeros((2, 3)).numpy()}).tolist() == [[1.0] * 3] * 2


def read_file(x: Any) -> Any:
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)


def count(x: Any) -> Any:
    return x + tf.py_function(lambda: 1.0, [], tf.float32)


@pytest.mark.parametrize(
    ("compute", "said"),
    [
        (read_file, "does more than to compute"),
        (count, "does more than to compute"),
        (lambda x: x[:, :2], "not 3 outputs"),
    ],
)
def test_a_saved_model_that_does_more_is_refused(
    compute: Callable[[Any], Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        FORMATS["saved-model"].open(saved(tmp_path, compute), INPUTS, 3)


def frozen(compute: Callable[[Any], Any]) -> Any:
    """A graph of one input of three numbers, without variables."""
    spec = tf.TensorSpec((None, 3), tf.float32, "x")
    function = tf.function(lambda x: [tf.identity(compute(x), name="outputs")])
    return constants(function.get_concrete_function(spec))


WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "onnx": lambda function, folder: write_onnx(function, folder / "model.onnx"),
    "saved-model": lambda function, folder: write_saved_model(function, folder / "saved_model"),
    "openvino": lambda function, folder: write_openvino(function, folder / "model.xml"),
    "litert": lambda function, folder: write_litert(function, folder / "model.tflite"),
}


def large(x: Any) -> Any:
    """Adds the sum of four gigabytes, of which none is made before the graph is run."""
    return x + tf.reduce_sum(tf.broadcast_to(tf.reduce_sum(x), [2**15, 2**15]))


def large_in_a_loop(x: Any) -> Any:
    return tf.while_loop(lambda n, _: n < 2, lambda n, x: (n + 1, large(x)), [0, x])[1]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("compute", [large, large_in_a_loop])
def test_a_tensor_too_large_to_be_meant_is_refused(
    name: str, compute: Callable[[Any], Any], tmp_path: Path
) -> None:
    WRITERS[name](frozen(compute), tmp_path)
    with pytest.raises(UserError, match=r"refused: its tensor .*32768.* is too large"):
        FORMATS[name].open(tmp_path, INPUTS, 3)


def edited(folder: Path, change: Callable[[Any], None]) -> Path:
    """A SavedModel whose graph was changed by a stranger."""
    proto, path = SavedModelProto(), folder / "saved_model" / "saved_model.pb"
    proto.ParseFromString(path.read_bytes())
    for each in proto.meta_graphs[0].graph_def.library.function:
        change(each.node_def)
    path.write_bytes(proto.SerializeToString())
    return folder


def splat(nodes: Any) -> None:
    """Constants of a single value, which stands for 2^60 of them."""
    for node in (node for node in nodes if node.op == "Const"):
        shape = node.attr["value"].tensor.tensor_shape
        del shape.dim[:]
        for _ in range(3):
            shape.dim.add().size = 2**20


def foreign(nodes: Any) -> None:
    for node in (node for node in nodes if node.op == "AddV2"):
        node.op = "Evil"


@pytest.mark.parametrize(
    ("change", "said"), [(splat, "is too large"), (foreign, "Evil is no operation of TensorFlow")]
)
def test_a_saved_model_that_was_edited_is_refused(
    change: Callable[[Any], None], said: str, tmp_path: Path
) -> None:
    made = edited(saved(tmp_path, lambda x: x + 1.5), change)
    with pytest.raises(UserError, match=said):
        FORMATS["saved-model"].open(made, INPUTS, 3)


@pytest.fixture(scope="module")
def openvino_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openvino")
    WRITERS["openvino"](frozen(lambda x: x + tf.reduce_sum(x) * 1.5), folder)
    return folder


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('type="Add" version="opset1"', 'type="Evil" version="extension"', "can't be read"),
        (r' size="\d+"', f' size="{2**40}"', "can't be read"),
        (r'shape="[\d, ]*" offset', f'shape="{2**20}, {2**20}" offset', "can't be read"),
        ("<net ", '<!DOCTYPE net [<!ENTITY a "b">]><net ', "it declares entities"),
    ],
    ids=["operator", "bytes", "shape", "entities"],
)
def test_an_edited_openvino_graph_is_refused(
    old: str, new: str, said: str, openvino_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(openvino_folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "model.xml"
    changed, count = re.subn(old, new, path.read_text(encoding="utf-8"))
    assert count
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        FORMATS["openvino"].open(tmp_path, INPUTS, 3)


def test_what_openvino_would_compute_on_reading_is_refused(tmp_path: Path) -> None:
    import openvino
    from openvino import opset13

    x = opset13.parameter([-1, 3], np.float32, name="x")
    size = opset13.power(opset13.constant(np.float32(2)), opset13.constant(np.float32(3)))
    sizes = opset13.convert(opset13.reshape(size, opset13.constant([1]), False), "i64")
    made = opset13.broadcast(opset13.constant(np.float32(1)), sizes)
    total = opset13.reduce_sum(made, opset13.constant([0]), True)
    model = openvino.Model([opset13.result(opset13.add(x, total))], [x], "made")
    openvino.save_model(model, tmp_path / "model.xml")
    with pytest.raises(UserError, match="would be computed from constants on reading"):
        FORMATS["openvino"].open(tmp_path, INPUTS, 3)


def test_a_foreign_operator_of_litert_is_refused(tmp_path: Path) -> None:
    module = served(frozen(tf.math.erfinv))
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.score.get_concrete_function()], module
    )
    converter.allow_custom_ops = True
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    with pytest.raises(UserError, match="can't be loaded"):
        FORMATS["litert"].open(tmp_path, INPUTS, 3)


def test_a_saved_model_of_other_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it takes \['y'\]"):
        FORMATS["saved-model"].open(saved(tmp_path, lambda x: x, "y"), INPUTS, 3)


SCORE_WITHOUT_KERAS = """
import sys
sys.modules |= dict.fromkeys(("keras", "tensorflow", "transformers"))
import numpy as np, pathlib
from deephits_keras.export.formats.registry import FORMATS
from deephits_keras.export.tensors import TensorInfo
for name in ("onnx", "openvino", "litert"):
    inputs = (TensorInfo("x", (3,), "float32", ""),)
    score = FORMATS[name].open(pathlib.Path(sys.argv[1]), inputs, 3)
    assert score({"x": np.ones((2, 3), np.float32)}).tolist() == [[2.0] * 3] * 2, name
"""


def test_formats_with_runtimes_of_their_own_need_no_keras(tmp_path: Path) -> None:
    for name in ("onnx", "openvino", "litert"):
        WRITERS[name](frozen(lambda x: x + 1), tmp_path)
    command = [sys.executable, "-c", SCORE_WITHOUT_KERAS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_no_graph_is_refused(name: str, tmp_path: Path) -> None:
    for file in FORMATS[name].files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"\xff" * 99)
    with pytest.raises(UserError, match=FORMATS[name].files[0]):
        FORMATS[name].open(tmp_path, INPUTS, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_package_is_named_with_its_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, RUNTIMES[name], None)
    with pytest.raises(MissingPackageError, match="pip install"):
        FORMATS[name].open(tmp_path, INPUTS, 3)

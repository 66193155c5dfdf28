"""What a stranger's files of each format may not be, and what a missing package says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import MissingPackageError
from deephits_keras.export.formats.registry import FORMATS
from deephits_keras.export.formats.saved_model import write_saved_model
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


def test_a_saved_model_of_other_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it takes \['y'\]"):
        FORMATS["saved-model"].open(saved(tmp_path, lambda x: x, "y"), INPUTS, 3)


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

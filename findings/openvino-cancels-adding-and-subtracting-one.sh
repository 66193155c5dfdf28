#!/usr/bin/env bash
# OpenVINO 2026.4.1: (x + 1) - 1 in float32 is simplified to x when a model is compiled.
#
# Guess: a float32 graph is computed as written: (1e-8 + 1) - 1 is 0, as in NumPy and onnxruntime.
# Behaviour: it is 1e-8. Graphs that measure their own rounding so, such as log(1 + x) computed as
# x * log(u) / (u - 1) with u = 1 + x, lose the correction without a message.
# Seen (28 November 2026, Linux, x86-64): "onnxruntime 0, OpenVINO 1e-08"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" \
    openvino==2026.4.1 onnxruntime==1.30.0 onnx==1.23.2 numpy==2.2.6
PYTHONPATH="$folder/packages" python3 - "$folder/model.onnx" <<'PYTHON'
import sys
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
vector = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
nodes = [helper.make_node("Add", ["x", "one"], ["u"]), helper.make_node("Sub", ["u", "one"], ["y"])]
graph = helper.make_graph(nodes, "rounding", vector[:1], vector[1:], [one])
opset = helper.make_opsetid("", 17)
onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), sys.argv[1])
x = np.array([1e-8], np.float32)
theirs = onnxruntime.InferenceSession(sys.argv[1]).run(None, {"x": x})[0][0]
ours = openvino.compile_model(sys.argv[1], "CPU")({"x": x})[0][0]
print(f"onnxruntime {theirs:.0f}, OpenVINO {ours:.0e}")
sys.exit(0 if theirs == 0 and ours == x[0] else 1)
PYTHON

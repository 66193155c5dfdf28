#!/usr/bin/env bash
# tf2onnx 1.17.0 with TensorFlow 2.21.0: a model with the exact GELU becomes a file that is no ONNX model.
#
# Guess: tf.nn.gelu, which every transformer has, is converted, or the conversion raises an error.
# Behaviour: TensorFlow computes it with Erfc, for which tf2onnx has no operator: it logs an error, returns a
# model with a node "Erfc" of the standard operators, which don't have one, and onnxruntime refuses that
# model. Written with tf.math.erf, the same function is converted to standard operators.
# Seen (28 November 2026, Linux, x86-64): "tf.nn.gelu: Erfc, refused; with erf: Erf, loaded"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install -q \
    tensorflow==2.21.0 tf2onnx==1.17.0 onnx==1.23.2 onnxruntime==1.30.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/environment/bin/python" - 2>"$folder/log" <<'PYTHON' || { tail -n 5 "$folder/log"; exit 1; }
import sys
import onnxruntime
import tensorflow as tf
import tf2onnx

vector = [tf.TensorSpec([None], tf.float32)]


def erf(x):
    return 0.5 * x * (1 + tf.math.erf(x / 2**0.5))


def operators(function):
    """Those of error functions in the model, and whether onnxruntime takes it."""
    traced = tf.function(function, input_signature=vector)
    model, _ = tf2onnx.convert.from_function(traced, input_signature=vector, opset=17)
    found = sorted({node.op_type for node in model.graph.node} & {"Erf", "Erfc", "Gelu"})
    try:
        onnxruntime.InferenceSession(model.SerializeToString())
    except Exception:
        return found, "refused"
    return found, "loaded"


gelu, own = operators(tf.nn.gelu), operators(erf)
print(f"tf.nn.gelu: {' '.join(gelu[0])}, {gelu[1]}; with erf: {' '.join(own[0])}, {own[1]}")
sys.exit(0 if gelu == (["Erfc"], "refused") and own == (["Erf"], "loaded") else 1)
PYTHON

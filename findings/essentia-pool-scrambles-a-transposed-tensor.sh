#!/usr/bin/env bash
# Essentia 2.1b6.dev1389: Pool.set reads a tensor's memory as it lies, whatever the array's strides.
#
# Guess: a pool gives back the array that was put in, as every NumPy function would.
# Behaviour: a transposed array of four axes (how a model's input is handed to TensorflowPredict)
# comes back with the right shape and its values in the order of the array that was transposed.
# Seen (28 November 2026, Linux, x86-64): "put in [[0, 3], [1, 4], [2, 5]], got [[0, 1], [2, 3], [4, 5]]"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" essentia==2.1b6.dev1389 numpy==2.2.6
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import sys
import numpy as np
import essentia

rows = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
turned = np.transpose(rows, (0, 1, 3, 2))
pool = essentia.Pool()
pool.set("input", turned)
got = np.array(pool["input"])
pool.set("copied", np.ascontiguousarray(turned))
assert np.array_equal(pool["copied"], turned)
print(f"put in {turned[0, 0].astype(int).tolist()}, got {got[0, 0].astype(int).tolist()}")
sys.exit(0 if got.shape == turned.shape and not np.array_equal(got, turned) else 1)
PYTHON

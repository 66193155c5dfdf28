#!/usr/bin/env bash
# musicnn 0.1.0: since NumPy 2 the spectrograms of loud songs are infinite, and they all get the same tags.
#
# Guess: `np.log10(10000 * audio_rep + 1)`, of mel powers that it stores as float16, gives the same on both.
# Behaviour: in NumPy 1 the number 10000 made float32 of it; since NumPy 2 (NEP 50) it stays float16, which
# is infinite above a power of 6.55. There is a RuntimeWarning and no error. Here: powers of 1, 6, 7 and 20.
# Seen (28 November 2026, Linux, x86-64, Python 3.11.7):
#   "NumPy 1.26.4: [4.00 4.78 4.85 5.30]", "NumPy 2.2.6: [4.00 4.78 inf inf]"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
for numpy in 1.26.4 2.2.6; do
    python3 -m pip install -q --target "$folder/$numpy" "numpy==$numpy"
    python3 -m pip install -q --no-deps --target "$folder/$numpy" musicnn==0.1.0
    PYTHONPATH="$folder/$numpy" python3 -W ignore - "$folder/$numpy/musicnn/extractor.py" <<'PYTHON'
import ast
import sys
from types import SimpleNamespace

import numpy as np

power = np.array([[1.0, 6.0, 7.0, 20.0]], np.float32)
tree = ast.parse(open(sys.argv[1]).read())
tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "batch_data"]
config = SimpleNamespace(SR=16000, FFT_HOP=256, FFT_SIZE=512, N_MELS=96)
librosa = SimpleNamespace(
    load=lambda path, sr: (None, sr),
    feature=SimpleNamespace(melspectrogram=lambda **options: power.T),
)
names = {"np": np, "librosa": librosa, "config": config}
exec(compile(tree, sys.argv[1], "exec"), names)
batch, _ = names["batch_data"]("song", 1, 1)
print(f"NumPy {np.__version__}:", "[" + " ".join(f"{x:.2f}" for x in batch.ravel()) + "]")
sys.exit(0 if np.isinf(batch).any() == (np.__version__ > "2") else 1)
PYTHON
done

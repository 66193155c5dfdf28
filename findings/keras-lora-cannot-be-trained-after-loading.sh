#!/usr/bin/env bash
# Keras 3.15.1: a saved model with low-rank adapters (`enable_lora`) can't be trained further.
#
# Guess: a saved and loaded model trains as the one in memory does.
# Behaviour: saving merges the adapter into the kernel. In the loaded model both of its matrices are zeros, so
# each one's gradient is zero, and training changes neither, without an error. (Inside another layer, such as
# KerasHub's TransformerEncoder, the adapter is gone and the kernel trainable, as only Dense's config has it.)
# Seen (29 November 2026, Linux, x86-64): "in memory: changed by 0.89, loaded: changed by 0"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install -q keras==3.15.1 jax==0.10.2
cd "$folder"
KERAS_BACKEND=jax environment/bin/python - <<'PYTHON'
import sys

import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(64, 8))
y = x[:, ::-1]
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
model.layers[0].enable_lora(2)
model.layers[0].bias.trainable = False


def changed(model: keras.Model) -> float:
    """How much a training changes the answers."""
    before = model.predict(x, verbose=0)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, epochs=5, verbose=0)
    return float(np.abs(model.predict(x, verbose=0) - before).max())


changed(model)
model.save("model.keras")
loaded = keras.saving.load_model("model.keras", compile=False)
loaded.layers[0].bias.trainable = False
here, there = changed(model), changed(loaded)
print(f"in memory: changed by {here:.2g}, loaded: changed by {there:.2g}")
sys.exit(0 if here > 0.01 and there == 0 else 1)
PYTHON

"""A process ends although batches are being read ahead: after an error, and after an early stop."""

from __future__ import annotations

import subprocess
import sys

import keras
import pytest

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")

SCRIPT = """
import sys, time
import keras
import numpy as np
from deephits_keras.encoders.features import FeatureSpec
from deephits_keras.pipeline.batches import Batches, dataset
from deephits_keras.pipeline.calls import settle

class Slow:
    specs = (FeatureSpec("level", (4,), "float32", "a number"),)
    present = np.ones(4000, bool)
    reads = 0

    def gather(self, rows, *, where=None):
        # As decoding does, this keeps other threads of Python waiting.
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:
            pass
        self.reads += 1
        if sys.argv[1] == "fails" and self.reads > 4:
            raise ValueError("no more")
        return {"level": np.zeros((len(rows), 4), "float32")}, np.ones(len(rows), bool)

class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = sys.argv[1] == "stops"

source = Slow()
batches = Batches({"toy": source}, np.arange(4000), np.zeros((4000, 1), "float32"), batch_size=8)
inputs = {
    name: keras.Input(array.shape[1:], name=name, dtype=batches.input_dtypes[name])
    for name, array in batches.empty[0].items()
}
[level] = [tensor for name, tensor in inputs.items() if "level" in name]
model = keras.Model(inputs, keras.layers.Dense(1)(level))
model.compile("sgd", "mse", run_eagerly=True)
model.fit(dataset(batches), shuffle=False, verbose=0, callbacks=[Stop()])
if sys.argv[1] == "stops":
    settle()
    ahead = source.reads
    time.sleep(0.5)
    assert source.reads == ahead, "batches were read after they had settled"
    assert ahead < 100, ahead
"""


@pytest.mark.parametrize(("how", "code"), [("fails", 1), ("stops", 0)])
def test_a_process_ends_while_batches_are_read_ahead(how: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr[-2000:]
    if how == "fails":
        assert "no more" in done.stderr

"""Does with the Keras model what `make_model.py` does with its PyTorch twin.

`KERAS_BACKEND=jax python tests/golden/run_model.py OUT.npz`: the outputs of every task, gradients
in the inputs, and every weight after the training steps.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from deephits_plugins.bert_lyrics import BertLyrics
from deephits_plugins.mel_cnn import MelCNN, MelCNNConfig
from deephits_plugins.numeric import Numeric
from keras import ops

from deephits_keras.explanation.gradients import values_and_gradients
from deephits_keras.model.builder import build_model, trainable_parameters
from deephits_keras.model.fusion import EarlyFusion
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import get_task
from deephits_keras.training.losses import loss_of
from deephits_keras.training.trainer import make_optimizer

TWIN = runpy.run_path(str(Path(__file__).with_name("make_model.py")))


def model_of(task: str) -> keras.Model:
    """The default model of 64 frames with the twin's weights, without dropout."""
    mel, numeric = MelCNN(MelCNNConfig(frames=TWIN["FRAMES"])), Numeric()
    spread = np.array([-1.0, 1.0])
    mel.adapt([{"log_mel": TWIN["LEVEL"] + spread * TWIN["VARIANCE"] ** 0.5}])
    numeric.adapt([{"fields": TWIN["COLUMN_MEAN"] + spread[:, None] * TWIN["COLUMN_DEVIATION"]}])
    model = build_model([mel, BertLyrics(), numeric], fusion=EarlyFusion(dropout=0.0), task=task)
    weights = TWIN["weights"](task)
    given = sum(array.size for name, array in weights.items() if "/moving_" not in name)
    assert given == trainable_parameters(model)
    for name, array in weights.items():
        variable_of(model, name).assign(array)
    return model


def variable_of(model: keras.Model, name: str) -> Any:
    """A weight by `[branch/]layer/weight`."""
    *layers, weight = name.split("/")
    layer = model
    for part in layers:
        layer = layer.get_layer(part)
    return getattr(layer, weight)


def gradients(model: keras.Model, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of the first output of each track."""
    moving = {name: batch[name] for name in TWIN["EXPLAINED"]}
    fixed = {n: ops.convert_to_tensor(a) for n, a in batch.items() if n not in moving}
    return values_and_gradients(lambda v: model({**fixed, **v}, training=False)[:, 0], moving)[1]


def main(out: str) -> None:
    batch = TWIN["inputs"]()
    tiers = batch.pop("tiers")
    for modality in ("mel", "lyrics", "meta"):
        batch[f"{modality}_present"] = np.ones((TWIN["TRACKS"], 1), "float32")
    arrays = {}
    for task in TWIN["OUTPUTS"]:
        arrays[f"{task}/outputs"] = model_of(task).predict(batch, verbose=0)

    task = TWIN["TRAINED_TASK"]
    model = model_of(task)
    arrays |= {f"gradients/{name}": g.ravel() for name, g in gradients(model, batch).items()}
    optimizer = make_optimizer(TrainingConfig(), steps=10 * TWIN["STEPS"])
    model.compile(optimizer=optimizer, loss=loss_of(get_task(task)))
    losses = []
    for _ in range(TWIN["STEPS"]):
        losses.append(model.train_on_batch(batch, tiers))
        model.reset_metrics()
    arrays["losses"] = np.array(losses)
    for name in TWIN["weights"](task):
        arrays[f"after/{name}"] = ops.convert_to_numpy(variable_of(model, name)).ravel()
    np.savez(out, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])

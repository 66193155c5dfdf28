"""Which checkpoint is kept, by each metric that can select it."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from deephits_keras.training.state import TrainingState

# Epoch 2 predicts a tier that doesn't occur, once; it is right on more tracks than epoch 1.
EPOCHS = [
    {"macro_f1": 0.582, "macro_f1_present": 0.582, "accuracy": 0.60, "loss": 1.20},
    {"macro_f1": 0.535, "macro_f1_present": 0.594, "accuracy": 0.61, "loss": 1.25},
    {"macro_f1": 0.535, "macro_f1_present": 0.594, "accuracy": 0.61, "loss": 1.10},
]


@pytest.mark.parametrize(
    ("select", "kept"), [("macro_f1_present", 3), ("macro_f1", 1), ("accuracy", 3), ("loss", 3)]
)
def test_the_kept_checkpoint(select: str, kept: int, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    state = TrainingState.open(tmp_path)
    for epoch in EPOCHS:
        metrics = {f"validation_{name}": value for name, value in epoch.items()}
        state.finish_epoch(model, metrics, select=select)
    assert state.best_epoch == kept
    assert state.checkpoint(kept).exists()

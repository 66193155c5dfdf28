"""A user's Keras callbacks, for a training that calls `fit` once per epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras


class Listeners(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls callbacks as a single `fit` over all epochs would.

    `fit` gets only this callback, which forwards the batch events; the training calls the others.
    At the end of an epoch the callbacks get its metrics under Keras' names: `loss`, `val_loss`,
    `val_macro_f1` and so on.

    Args:
        callbacks: The user's callbacks.
        model: The model. A callback that sets its `stop_training` ends the training after the
            epoch.
        epochs: Total number of epochs.
    """

    def __init__(
        self, callbacks: Sequence[keras.callbacks.Callback], model: keras.Model, *, epochs: int
    ) -> None:
        super().__init__()
        self.hooks = [self] if callbacks else []
        self._trained = model
        self._all = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs)

    def begin(self) -> None:
        """The training starts or continues."""
        self._all.on_train_begin()

    def begin_epoch(self, epoch: int) -> None:
        """An epoch starts, counted from 0."""
        self._all.on_epoch_begin(epoch)

    def end_epoch(self, epoch: int, metrics: Mapping[str, Any]) -> bool:
        """An epoch ends; returns whether the training must stop."""
        self._trained.stop_training = False
        self._all.on_epoch_end(epoch, keras_names(metrics))
        return bool(self._trained.stop_training)

    def end(self) -> None:
        """The training ends."""
        self._all.on_train_end()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Forward the event."""
        self._all.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Forward the event."""
        self._all.on_train_batch_end(batch, logs)


def keras_names(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """An epoch's metrics under the names that Keras' callbacks monitor."""
    return {
        name.replace("validation_", "val_"): value
        for name, value in metrics.items()
        if name != "epoch"
    }

"""The state of an unfinished run: the last and the best checkpoint, and the history.

    RUN/state/state.json           which checkpoints count, and the metrics of each epoch
    RUN/state/compiled.keras       the compiled model, with values of any epoch
    RUN/state/epoch-00007.npz      values of its variables and its optimizer's after an epoch

An epoch writes values only: Keras takes 60 ms to write a small model, as long as ten steps.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.runs.files import COMPILED
from deephits_keras.utils.files import read_record, replacing, write_json

if TYPE_CHECKING:
    import keras

    from deephits_keras.runs.run import Run


@dataclass(frozen=True)
class _Saved:
    """What `state.json` holds."""

    best_epoch: int
    history: list[dict[str, Any]]


class TrainingState:
    """The folder `state/` of a run.

    The file `state.json` names the current checkpoints. It is written atomically after them, so
    that an interruption at any time leaves the state of the last finished epoch.

    Args:
        folder: The folder.
        history: Metrics of each finished epoch.
        best_epoch: The epoch (from 1) of the best checkpoint, 0 before the first.
    """

    def __init__(self, folder: Path, history: list[dict[str, Any]], best_epoch: int) -> None:
        self.folder = folder
        self.history = history
        self.best_epoch = best_epoch
        self._model_written = False

    @classmethod
    def open(cls, folder: Path) -> TrainingState:
        """Read the state in `folder`; without one, return the state before the first epoch.

        Raises:
            UserError: if it is damaged.
        """
        path = folder / "state.json"
        if not path.exists():
            return cls(folder, [], 0)
        saved = read_record(path, _Saved, "the state of a run")
        return cls(folder, saved.history, saved.best_epoch)

    @property
    def finished_epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    def out_of_patience(self, patience: int) -> bool:
        """Whether the best epoch is that many epochs ago; False for 0."""
        return patience > 0 and self.finished_epochs - self.best_epoch >= patience

    def checkpoint(self, epoch: int) -> Path:
        """Path of the values after an epoch."""
        return self.folder / f"epoch-{epoch:05d}.npz"

    def load_last(self, run: Run) -> keras.Model | None:
        """The compiled model after the last finished epoch; None before the first.

        Raises:
            UserError: if a file can't be loaded, or isn't of the run's model.
        """
        from deephits_keras.runs.run import load_model

        if not self.history:
            return None
        if not (self.folder / COMPILED).exists():
            raise UserError(
                f"{self.folder} has no {COMPILED}: an earlier version of deephits has begun this "
                "training, and only that version can continue it"
            )
        model = load_model(self.folder / COMPILED, run, compiled=True)
        self._restore(model, self.finished_epochs)
        return model

    def restore_best(self, model: keras.Model) -> None:
        """Give a model, and its optimizer, the values of the best checkpoint.

        Raises:
            UserError: if the checkpoint can't be read, or is of another model.
        """
        self._restore(model, self.best_epoch)

    def _restore(self, model: keras.Model, epoch: int) -> None:
        path, variables = self.checkpoint(epoch), _variables(model)
        try:
            with np.load(path, allow_pickle=False) as saved:
                values = [saved[str(place)] for place in range(len(variables))]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path} can't be read as a checkpoint: {error}") from error
        if [value.shape for value in values] != [tuple(v.shape) for v in variables]:
            raise UserError(f"{path} is not a checkpoint of the run's model")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def finish_epoch(self, model: keras.Model, metrics: Mapping[str, Any], *, select: str) -> None:
        """Store the model after an epoch.

        Args:
            model: The model after the epoch, compiled.
            metrics: The epoch's metrics.
            select: One of `runs.training_config.SELECTORS`, all on the validation split. A higher
                macro-F1 or accuracy is better; the other settles a tie, and then the loss.
        """
        epoch = self.finished_epochs + 1
        if not self._model_written:
            with replacing(self.folder / COMPILED) as temporary:
                model.save(temporary)
            self._model_written = True
        with replacing(self.checkpoint(epoch)) as temporary:
            write_values(temporary, model)
        self.history.append(dict(metrics))
        best = self.history[self.best_epoch - 1] if self.best_epoch else None
        if best is None or _merit(metrics, select) > _merit(best, select):
            self.best_epoch = epoch
        write_json(
            self.folder / "state.json", {"best_epoch": self.best_epoch, "history": self.history}
        )
        for path in self.folder.glob("epoch-*"):
            if path not in (self.checkpoint(epoch), self.checkpoint(self.best_epoch)):
                path.unlink()

    def remove(self) -> None:
        """Remove the folder: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def write_values(path: Path, model: keras.Model) -> None:
    """Write the values of a compiled model's variables, in their order."""
    from keras import ops

    values = {str(n): ops.convert_to_numpy(v) for n, v in enumerate(_variables(model))}
    np.savez(path, **values)


def _variables(model: keras.Model) -> list[Any]:
    """The model's variables, then its optimizer's."""
    optimizer = getattr(model, "optimizer", None)
    return [*model.variables, *(optimizer.variables if optimizer else [])]


def _merit(metrics: Mapping[str, Any], select: str) -> tuple[float, ...]:
    loss = -metrics["validation_loss"]
    if select == "loss":
        return (loss,)
    other = "macro_f1" if select == "accuracy" else "accuracy"
    return (metrics[f"validation_{select}"], metrics[f"validation_{other}"], loss)

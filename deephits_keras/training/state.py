"""The state of an unfinished run: the last and the best checkpoint, and the history."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        """Path of an epoch's model and optimizer."""
        return self.folder / f"epoch-{epoch:05d}.keras"

    def load_last(self, run: Run) -> keras.Model | None:
        """The compiled model after the last finished epoch; None before the first."""
        from deephits_keras.runs.run import load_model

        if not self.history:
            return None
        return load_model(self.checkpoint(self.finished_epochs), run, compiled=True)

    def load_best(self, run: Run) -> keras.Model:
        """The best model so far, without its optimizer."""
        from deephits_keras.runs.run import load_model

        return load_model(self.checkpoint(self.best_epoch), run, compiled=False)

    def finish_epoch(self, model: keras.Model, metrics: Mapping[str, Any], *, select: str) -> None:
        """Store the model after an epoch.

        Args:
            model: The model after the epoch, compiled.
            metrics: The epoch's metrics.
            select: One of `runs.training_config.SELECTORS`, all on the validation split. A higher
                macro-F1 or accuracy is better; the other settles a tie, and then the loss.
        """
        epoch = self.finished_epochs + 1
        with replacing(self.checkpoint(epoch)) as temporary:
            model.save(temporary)
        self.history.append(dict(metrics))
        best = self.history[self.best_epoch - 1] if self.best_epoch else None
        if best is None or _merit(metrics, select) > _merit(best, select):
            self.best_epoch = epoch
        write_json(
            self.folder / "state.json", {"best_epoch": self.best_epoch, "history": self.history}
        )
        for path in self.folder.glob("epoch-*.keras"):
            if path not in (self.checkpoint(epoch), self.checkpoint(self.best_epoch)):
                path.unlink()

    def remove(self) -> None:
        """Remove the folder: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _merit(metrics: Mapping[str, Any], select: str) -> tuple[float, ...]:
    loss = -metrics["validation_loss"]
    if select == "loss":
        return (loss,)
    other = "macro_f1" if select == "accuracy" else "accuracy"
    return (metrics[f"validation_{select}"], metrics[f"validation_{other}"], loss)

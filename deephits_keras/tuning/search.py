"""A search: its settings, its trials' results, and which of them is the best."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.tuning.asked import Asked
from deephits_keras.tuning.metric import Metric
from deephits_keras.tuning.space import Space, text_of
from deephits_keras.utils.files import read_record, write_json

SETTINGS = "search.json"
FOLDER = "tuning"
"""Folder of the search within the run's."""

COMPLETE, PRUNED, CUT, FAILED = "complete", "pruned", "out of time", "failed"
"""Outcomes of a trial; `out of time` is for one that the end of the search ended."""


@dataclass(frozen=True)
class Result:
    """The result of a trial.

    Attributes:
        outcome: `complete`, `pruned`, `out of time` or `failed`.
        value: The metric of the kept checkpoint; None if it failed before the first epoch's end.
        epochs: Finished epochs.
        best_epoch: Epoch of the kept checkpoint; 0 for none.
        seconds: Time of the trial.
        reason: Why it failed; else empty.
    """

    outcome: str
    value: float | None = None
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    reason: str = ""


def run_folder(folder: Path, number: int) -> Path:
    """Folder of a trial's training, below that of the search."""
    return folder / "trials" / f"{number:05d}"


@dataclass(frozen=True)
class Record:
    """A finished trial.

    Attributes:
        number: Its number, from 0.
        values: Values of its settings, by their full names.
        result: Its result.
    """

    number: int
    values: Mapping[str, Any]
    result: Result


@dataclass
class Search:
    """A search, checked; see `workflow.tune` for the meaning of its settings.

    Attributes:
        corpus: The corpus.
        run: Folder of the run that the search makes.
        asked: The arguments that don't change.
        space: What is searched.
        metric: What is optimised.
        trials: Largest number of trials; None for no limit.
        minutes: Time for the whole search; None for no limit.
        prune: Whether bad trials are ended early.
        command: Command line, stored with the run.
    """

    corpus: Corpus
    run: Path
    asked: Asked
    space: Space
    metric: Metric = field(default_factory=Metric)
    trials: int | None = None
    minutes: float | None = None
    prune: bool = True
    command: str = ""

    @property
    def folder(self) -> Path:
        """Folder of the search."""
        return self.run / FOLDER

    def identity(self) -> dict[str, Any]:
        """What must be equal for a search to be continued."""
        return {
            "corpus": self.corpus.fingerprint,
            "asked": dataclasses.asdict(self.asked),
            "space": {name: dimension.to_json() for name, dimension in self.space.items()},
            "metric": self.metric.name,
            "prune": self.prune,
        }

    def claim(self) -> None:
        """Store the settings of the search in its folder.

        Raises:
            UserError: if the run's folder holds something else, or a search with other settings.
        """
        # As JSON gives it back.
        wanted = json.loads(json.dumps(self.identity()))
        path = self.folder / SETTINGS
        if path.exists():
            found = read_record(path, dict[str, Any], "a search")
            if differing := _differing(wanted, found):
                raise UserError(
                    f"{self.run} holds a search that differs in {' and '.join(differing)}: give "
                    "the same to continue it, or choose another folder"
                )
            return
        if self.run.exists() and (
            not self.run.is_dir() or any(each.name != FOLDER for each in self.run.iterdir())
        ):
            raise UserError(f"{self.run} is not empty: choose another folder")
        write_json(path, wanted)

    @property
    def warmup(self) -> int:
        """Epochs before which no trial is pruned: a fifth."""
        return max(self.asked.choices().training.epochs // 5, 1)

    def better(self, value: float, than: float) -> bool:
        """Whether a value of the metric is better than another."""
        return value > than if self.metric.maximise else value < than

    def asked_by(self, values: Mapping[str, Any]) -> Asked:
        """The arguments of a trial's training: one model, whatever the final run is."""
        alone = dataclasses.replace(self.asked, training={**self.asked.training, "ensemble": 1})
        return alone.with_values(values)


def _differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names of the settings in which two searches differ."""
    names = []
    for name in dict.fromkeys((*wanted, *found)):
        own, other = wanted.get(name), found.get(name)
        if own == other:
            continue
        if name in ("asked", "training") and isinstance(own, dict) and isinstance(other, dict):
            names += _differing(own, other)
        else:
            names.append("search space" if name == "space" else name)
    return names


def best_of(search: Search, records: Sequence[Record]) -> Record | None:
    """The best complete trial; if none is complete, the best of those that were ended early."""
    for outcomes in ((COMPLETE,), (CUT, PRUNED)):
        best: Record | None = None
        for record in records:
            value = record.result.value
            if record.result.outcome in outcomes and value is not None:
                than = None if best is None else best.result.value
                if than is None or search.better(value, than):
                    best = record
        if best:
            return best
    return None


def row_of(record: Record, metric: str) -> dict[str, Any]:
    """A trial as one row of a table."""
    result = record.result
    return {
        "trial": record.number,
        "outcome": result.outcome,
        f"validation_{metric}": result.value,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "seconds": round(result.seconds, 2),
        **{name: _plain(value) for name, value in record.values.items()},
        "reason": result.reason,
    }


def _plain(value: Any) -> Any:
    return text_of(value) if isinstance(value, tuple) else value

"""`Drift`: what a report of drift says, for people and programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deephits_keras.drift_detection.comparisons import Comparison
from deephits_keras.drift_detection.metrics import MetricChange

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Drift:
    """Whether a corpus is like the tracks that a run was trained on.

    Attributes:
        drift: Whether any comparison found drift; None if there was nothing to compare.
        level: Probability that any comparison finds drift where there is none.
        training: Number of training tracks.
        corpus: Number of tracks that were compared with them.
        comparisons: All tests, in the order of the page.
        tiers: Share of the training tracks and of the corpus's tracks in each tier, by its label;
            empty where the popularity is unknown.
        metrics: Change of the run's metrics, by name; empty if they weren't computed.
        notes: What to know before it is believed, one sentence each.
        synthetic: Whether either corpus is synthetic.
        page: Path of the page.
    """

    drift: bool | None
    level: float
    training: int
    corpus: int
    comparisons: tuple[Comparison, ...]
    tiers: Mapping[str, tuple[float, float]]
    metrics: Mapping[str, MetricChange]
    notes: tuple[str, ...]
    synthetic: bool
    page: Path

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.drift is None:
            return "Nothing can be told of drift."
        if not self.drift:
            return f"No drift was found by {len(self.comparisons)} tests at the level {self.level}."
        drifted = [each for each in self.comparisons if each.drift]
        itself = {each.name for each in drifted if each.of not in ("unknown", "missing")}
        # Of a field whose values weren't compared, it is how many are known that has changed.
        found = dict.fromkeys(
            each.name if each.name in itself else f"{each.name} ({each.of})" for each in drifted
        )
        return f"Drift was found in {', '.join(found)}."

    def to_frame(self) -> pd.DataFrame:
        """One row per comparison."""
        import pandas as pd

        names = [each.name for each in dataclasses.fields(Comparison)]
        return pd.DataFrame([dataclasses.asdict(each) for each in self.comparisons], columns=names)

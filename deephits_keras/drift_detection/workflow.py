"""`drift`: is a corpus like the tracks that a run was trained on?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import UserError
from deephits_keras.runs.files import DRIFT
from deephits_keras.runs.run import Run

if TYPE_CHECKING:
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.drift_detection.comparisons import Comparison
    from deephits_keras.drift_detection.metrics import MetricChange
    from deephits_keras.drift_detection.result import Drift
    from deephits_keras.drift_detection.samples import Samples
    from deephits_keras.features.store import FeatureStore
    from deephits_keras.types import IntArray

LEVEL = 0.05
"""Default rate of false alarms."""


@dataclass(frozen=True)
class DriftPlan:
    """A comparison, checked as far as possible without Keras.

    Attributes:
        samples: The tracks.
        level: Rate of false alarms over all tests.
        fields_only: Whether to compare only what stands in the tables.
        out: Folder of the page, or None for the run's folder.
    """

    samples: Samples
    level: float
    fields_only: bool
    out: Path | None

    @property
    def page(self) -> Path:
        """Path of the page that `carry_out` writes; a JSON file has the same name."""
        folder = self.out or self.samples.run.folder / DRIFT
        return folder / f"{self.samples.corpus.fingerprint[:12]}.html"

    @cached_property
    def _extracted(self) -> tuple[dict[str, tuple[FeatureStore, FeatureStore]], list[str]]:
        from deephits_keras.drift_detection.samples import extracted

        return ({}, []) if self.fields_only else extracted(self.samples)

    @cached_property
    def _scored(self) -> IntArray:
        """Rows whose metrics are computed; none if features of a modality aren't extracted."""
        import numpy as np

        from deephits_keras.drift_detection.metrics import rows_to_score
        from deephits_keras.drift_detection.statistics import FEWEST

        rows: IntArray = np.empty(0, np.int64)
        if not self.fields_only and set(self._extracted[0]) == set(self.samples.run.encoders):
            rows = rows_to_score(self.samples)
        return rows if len(rows) >= FEWEST else rows[:0]

    @property
    def needs_keras(self) -> bool:
        """Whether the metrics are computed, the only part that needs Keras."""
        return len(self._scored) > 0

    def carry_out(self) -> Drift:
        """Compare, and write the page."""
        from deephits_keras.drift_detection.comparisons import decide, tier_counts
        from deephits_keras.drift_detection.page import drift_page
        from deephits_keras.drift_detection.result import Drift
        from deephits_keras.drift_detection.samples import known_popularity
        from deephits_keras.utils.files import write_json, write_text

        samples = self.samples
        found, untold = self._compared()
        comparisons = decide(found, self.level)
        tiers = samples.run.task.tiers
        counts = [
            tier_counts(known_popularity(corpus, rows), tiers) for corpus, rows in samples.pairs
        ]
        shares = [count / max(count.sum(), 1) for count in counts]
        known = all(count.sum() for count in counts)
        metrics, unmeasured = self._measured()
        result = Drift(
            drift=any(each.drift for each in comparisons) if comparisons else None,
            level=self.level,
            training=len(samples.training),
            corpus=len(samples.compared),
            comparisons=comparisons,
            tiers={
                label: (float(shares[0][k]), float(shares[1][k]))
                for k, label in enumerate(tiers.labels)
                if known
            },
            metrics=metrics,
            notes=(*samples.notes, *untold, *self._extracted[1], *unmeasured),
            synthetic=samples.own.synthetic or samples.corpus.synthetic,
            page=self.page,
        )
        write_json(self.page.with_suffix(".json"), result)
        write_text(self.page, drift_page(result, samples))
        return result

    def _compared(self) -> tuple[list[Comparison], list[str]]:
        """Every comparison, and a sentence on each that can't be made."""
        from deephits_keras.drift_detection.comparisons import (
            compare_field,
            compare_modality,
            compare_tiers,
        )
        from deephits_keras.drift_detection.samples import known_popularity

        samples = self.samples
        fields = samples.fields()
        found: list[Comparison | str] = []
        for name in fields:
            found += compare_field(name, *samples.values(name))
        for modality, stores in self._extracted[0].items():
            found += compare_modality(samples, modality, stores)
        popularity = [known_popularity(corpus, rows) for corpus, rows in samples.pairs]
        found.append(compare_tiers(popularity[0], popularity[1], samples.run.task.tiers))
        told = [each for each in found if not isinstance(each, str)]
        return told, [each for each in found if isinstance(each, str)]

    def _measured(self) -> tuple[dict[str, MetricChange], list[str]]:
        """The change of the metrics, and why there is none."""
        if self.fields_only:
            return {}, []
        if not self.needs_keras:
            return {}, [
                "The metrics aren't compared: too few tracks that aren't in the run's corpus "
                "have a known popularity and extracted features."
            ]
        from deephits_keras.drift_detection.metrics import (
            corpus_answers,
            held_out_answers,
            metric_changes,
        )

        samples, run = self.samples, self.samples.run
        stores = {modality: pair[1] for modality, pair in self._extracted[0].items()}
        held_out = held_out_answers(samples)
        answers = corpus_answers(samples, stores, self._scored)
        found = metric_changes(run.task, held_out, answers, level=self.level)
        few = f"The metrics aren't compared: the run's {run.reported_part} part is too small."
        return found, [] if found else [few]


def plan_drift(
    run: str | Path | Run,
    corpus: str | Path | Corpus,
    *,
    level: float = LEVEL,
    fields_only: bool = False,
    out: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> DriftPlan:
    """Check the arguments without importing Keras; see `drift`."""
    if not 0 < level < 1:
        raise UserError(f"--level is a rate between 0 and 1, as 0.05. Received: {level}")
    if out is not None and Path(out).is_file():
        raise UserError(f"{out} is a file: --out names a folder for the page")
    opened = run if isinstance(run, Run) else Run(run, settings)
    if not opened.finished:
        raise UserError(
            f"{opened.folder} holds no finished model: continue with `deephits train --resume`"
        )
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.drift_detection.samples import Samples

    tracks = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    samples = Samples(opened, opened.require(), tracks)
    return DriftPlan(samples, level, fields_only, None if out is None else Path(out))


def drift(
    run: str | Path | Run,
    corpus: str | Path | Corpus,
    *,
    level: float = LEVEL,
    fields_only: bool = False,
    out: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Drift:
    """Test whether a corpus is like a run's training tracks, as `deephits drift` does.

    Two-sample tests compare each field that the run's encoders read, how many of its values are
    unknown, each modality's stored features, how many tracks lack it, and the tiers of popularity.
    Their p-values are adjusted for their number (Holm 1979). Tracks of the corpus that are
    training tracks of the run are left out. The tests assume tracks drawn independently: of
    corpora of few albums or artists they find drift more often than at the level.

    Args:
        run: A finished run, or its folder; its corpus must be there.
        corpus: The corpus, or its folder. Modalities whose features aren't extracted in it are
            left out, and so are the metrics.
        level: Probability that any of the tests finds drift where there is none.
        fields_only: Compare only fields and popularity, which needs no features and no Keras.
        out: Folder of the page; `drift` in the run's by default.
        settings: Encoder settings that override the run's, if `run` is a folder.

    Returns:
        The result, whose page and JSON file are written.

    Raises:
        UserError: if the run isn't finished, its corpus is missing or has changed, the level is
            no rate, or `out` is a file.
        DeepHitsError: if a file is damaged.

    Example:
        >>> import deephits_keras as dh
        >>> dh.drift("run", "new-corpus").drift  # doctest: +SKIP
        True
    """
    plan = plan_drift(run, corpus, level=level, fields_only=fields_only, out=out, settings=settings)
    return plan.carry_out()

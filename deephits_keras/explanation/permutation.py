"""Permutation importance (Breiman 2001) of modalities and fields on a run's held-out tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from keras import ops
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance

from deephits_keras.corpus.splits import reported_part
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import Features, input_dtype, places_of
from deephits_keras.errors import UserError
from deephits_keras.features.seen import seen_stores
from deephits_keras.model.anatomy import Anatomy
from deephits_keras.pipeline.batches import Batches, dataset
from deephits_keras.pipeline.calls import Settled
from deephits_keras.runs.run import Run
from deephits_keras.training.scoring import BATCH_SIZE, Scored
from deephits_keras.types import Array, IntArray

Metrics = dict[str, float]

LOWER_IS_BETTER = ("loss", "mae")


@dataclass(frozen=True)
class Importance:
    """Increase of the error when one part of the input is permuted between tracks.

    Attributes:
        name: The modality, or the field.
        worsening: Change for the worse of each metric in each repeat, `(repeats,)`: a decrease of
            macro-F1, an increase of the loss. About 0 if the model doesn't use the part.
    """

    name: str
    worsening: dict[str, Array]

    def to_json(self) -> dict[str, Any]:
        """Mean and standard deviation over the repeats, per metric."""
        # By hand: the file has statistics of the fields.
        return {
            metric: {"mean": float(values.mean()), "deviation": float(values.std())}
            for metric, values in self.worsening.items()
        }


@dataclass(frozen=True)
class Importances:
    """The permutation importance of all parts of a run's input.

    Attributes:
        part: The part of the split.
        tracks: Its number of tracks.
        repeats: Number of permutations of each part.
        metrics: The metrics without permutation.
        modalities: Importance of each modality, including its absence from some tracks.
        fields: Importance of each field, by modality, among the tracks with the modality.
        synthetic: Whether the run was trained on a synthetic corpus.
    """

    part: str
    tracks: int
    repeats: int
    metrics: Metrics
    modalities: tuple[Importance, ...]
    fields: Mapping[str, tuple[Importance, ...]]
    synthetic: bool

    @property
    def main_metric(self) -> str:
        """The metric to show first."""
        return next(iter(self.metrics))

    def to_frame(self) -> pd.DataFrame:
        """One row per modality and field: the mean change for the worse of each metric.

        The columns are `modality`, `field` (empty for the whole modality), and the mean over the
        repeats of each metric.
        """
        named = [(i.name, "", i) for i in self.modalities]
        named += [(m, i.name, i) for m, of in self.fields.items() for i in of]
        rows = [
            {"modality": m, "field": f, **{n: v.mean() for n, v in i.worsening.items()}}
            for m, f, i in named
        ]
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """The importances as JSON types."""
        # By hand: the file has the importances by name, not as a list.
        return {
            "part": self.part,
            "tracks": self.tracks,
            "repeats": self.repeats,
            "synthetic": self.synthetic,
            "metrics": self.metrics,
            "modalities": {i.name: i.to_json() for i in self.modalities},
            "fields": {m: {i.name: i.to_json() for i in of} for m, of in self.fields.items()},
        }


def importances(
    run: Run, corpus: Corpus, *, part: str | None = None, repeats: int = 10, seed: int = 0
) -> Importances:
    """Compute the permutation importance of each part of a run's input.

    Each branch runs once over the tracks; a permutation of a modality then costs no more than the
    model's second half.

    Args:
        run: A finished run.
        corpus: The run's corpus, with its features.
        part: A part of the run's split; by default `test` if there is one, else `validation`.
        repeats: Number of permutations of each part.
        seed: Random seed of the permutations.

    Raises:
        UserError: if the corpus has changed, the split has no such part, or it is too small.
    """
    run.require(corpus)
    parts = run.split.parts
    part = part or reported_part(parts)
    run.require_part(part)
    if len(parts[part]) < 2:
        raise UserError(f"The split's part {part!r} has fewer than two tracks to permute")
    held_out = _HeldOut(run, corpus, parts[part])
    return Importances(
        part=part,
        tracks=len(parts[part]),
        repeats=repeats,
        metrics=held_out.metrics(held_out.rows, held_out.embeddings, held_out.present),
        modalities=held_out.of_modalities(repeats, seed),
        fields={
            modality: held_out.of_fields(modality, repeats, seed)
            for modality, encoder in run.encoders.items()
            if encoder.fields()
        },
        synthetic=run.synthetic,
    )


class _HeldOut:
    """A run's embeddings of some tracks, and its metrics for permuted embeddings."""

    def __init__(self, run: Run, corpus: Corpus, rows: IntArray) -> None:
        self.run, self.corpus, self.rows, self.task = run, corpus, rows, run.task
        self.anatomy = Anatomy(run.model, list(run.encoders))
        self.stores = seen_stores(corpus, run.encoders, run.unseen_columns)
        self.present = {
            m: store.present[rows].astype(np.float32)[:, None] for m, store in self.stores.items()
        }

    @cached_property
    def embeddings(self) -> dict[str, Array]:
        """`(rows, size)` by modality."""
        nothing = np.zeros(len(self.rows))
        batches = Batches(self.stores, self.rows, nothing, batch_size=BATCH_SIZE)
        embedded: dict[str, Array] = self.anatomy.embed.predict(
            dataset(batches), verbose=0, callbacks=[Settled()]
        )
        return embedded

    def metrics(
        self, rows: IntArray, embeddings: Mapping[str, Array], present: Mapping[str, Array]
    ) -> Metrics:
        """Metrics with the given embeddings instead of the tracks' own."""
        outputs = np.asarray(ops.convert_to_numpy(self.anatomy.outputs(embeddings, present)))
        scored = Scored(self.task, rows, self.corpus.popularity[rows], outputs)
        metrics = scored.metrics()
        if self.task.kind == "regression":
            return {"mae": metrics["regression"]["mae"], "loss": scored.loss}
        tiers = metrics[self.task.tiers.name]
        return {"loss": scored.loss, **{name: tiers[name] for name in ("macro_f1", "accuracy")}}

    def of_modalities(self, repeats: int, seed: int) -> tuple[Importance, ...]:
        """Permute whole modalities, each with its presence mask."""
        names = self.anatomy.modalities

        def metrics(sources: Mapping[str, IntArray]) -> Metrics:
            embeddings = {m: self.embeddings[m][sources[m]] for m in names}
            present = {m: self.present[m][sources[m]] for m in names}
            return self.metrics(self.rows, embeddings, present)

        return _importances(names, len(self.rows), metrics, repeats, seed)

    def of_fields(self, modality: str, repeats: int, seed: int) -> tuple[Importance, ...]:
        """Permute single fields of a modality between the tracks with the modality."""
        fields = self.run.encoders[modality].fields()
        known = np.flatnonzero(self.present[modality][:, 0])
        if len(known) < 2:
            return ()
        store = self.stores[modality]
        gathered, _ = store.gather(self.rows[known])
        features = {s.name: gathered[s.name].astype(input_dtype(s)) for s in store.specs}
        present = {m: mask[known] for m, mask in self.present.items()}
        others = {m: e[known] for m, e in self.embeddings.items()}
        branch = self.anatomy.branch(modality)

        def batched(given: Features) -> Iterator[Features]:
            # Not `predict`, whose pipeline takes longer to build than such a batch to compute.
            for start in range(0, len(known), BATCH_SIZE):
                yield {name: a[start : start + BATCH_SIZE] for name, a in given.items()}

        def metrics(sources: Mapping[str, IntArray]) -> Metrics:
            mixed: Features = {name: array.copy() for name, array in features.items()}
            for field, where in fields.items():
                for feature, place in places_of(where):
                    part = ... if place is None else (slice(None), place)
                    mixed[feature][part] = features[feature][sources[field]][part]
            own = np.concatenate([branch.predict_on_batch(part) for part in batched(mixed)])
            return self.metrics(self.rows[known], {**others, modality: own}, present)

        return _importances(list(fields), len(known), metrics, repeats, seed)


class _Sources(BaseEstimator):  # type: ignore[misc]
    """An estimator for scikit-learn whose columns are row numbers."""

    def fit(self, rows: Any, targets: Any) -> _Sources:
        """Nothing to fit."""
        del rows, targets
        return self


def _importances(
    names: Sequence[str],
    tracks: int,
    metrics: Callable[[Mapping[str, IntArray]], Metrics],
    repeats: int,
    seed: int,
) -> tuple[Importance, ...]:
    """scikit-learn's permutation importance of a table of row numbers, one column per part.

    Args:
        names: The parts, one per column.
        tracks: Number of rows.
        metrics: Computes the metrics if each track's part `name` comes from track `sources[name]`.
        repeats: Number of permutations of each column.
        seed: Random seed of the permutations.
    """

    def score(estimator: Any, sources: Array, targets: Any) -> Metrics:
        del estimator, targets
        found = metrics(dict(zip(names, sources.T, strict=True)))
        return {f: -value if f in LOWER_IS_BETTER else value for f, value in found.items()}

    sources = np.tile(np.arange(tracks)[:, None], (1, len(names)))
    result = permutation_importance(
        _Sources(), sources, None, scoring=score, n_repeats=repeats, random_state=seed
    )
    return tuple(
        Importance(name, {metric: of["importances"][column] for metric, of in result.items()})
        for column, name in enumerate(names)
    )

"""A model's metrics and predictions on some rows of a corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from deephits_keras.corpus.table import Corpus
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.evaluation.metrics import evaluate
from deephits_keras.features.store import FeatureSource
from deephits_keras.pipeline.batches import Batches, dataset
from deephits_keras.pipeline.calls import Settled
from deephits_keras.tasks import Prediction, Task
from deephits_keras.training.losses import loss_of
from deephits_keras.types import FloatArray, IntArray

BATCH_SIZE = 256


@dataclass(frozen=True)
class Scored:
    """A model's outputs on some rows, with the true popularity.

    Attributes:
        task: The task of the model.
        rows: `(n,)` row numbers.
        popularity: `(n,)` true popularity, 0-100.
        outputs: `(n, task.outputs)` raw outputs.
    """

    task: Task
    rows: IntArray
    popularity: FloatArray
    outputs: FloatArray

    @property
    def prediction(self) -> Prediction:
        """The decoded outputs."""
        return self.task.decode(self.outputs)

    @property
    def loss(self) -> float:
        """Mean loss without regularisation: cross-entropy or squared error of popularity / 100."""
        targets = self.task.targets(self.popularity)
        return float(np.mean(keras.ops.convert_to_numpy(loss_of(self.task)(targets, self.outputs))))

    def metrics(self, calibration: Calibration | None = None) -> dict[str, Any]:
        """Every metric of Section 2.2.3, by tiers; see `evaluation.metrics.evaluate`.

        Args:
            calibration: Adds `conformal`, the metrics of its sets, if it has any.
        """
        prediction = self.prediction
        metrics = evaluate(self.task, self.popularity, prediction)
        sets = calibration.metrics(self.task, self.popularity, prediction) if calibration else {}
        return {**metrics, **({"conformal": sets} if sets else {})}

    def table(self, corpus: Corpus, part: str) -> pd.DataFrame:
        """One row per track: the truth, the prediction and the class scores."""
        prediction, tiers = self.prediction, self.task.tiers
        ids = corpus.track_ids
        columns: dict[str, Any] = {
            "track_id": [ids[row] for row in self.rows],
            "row": self.rows,
            "part": part,
            "popularity": self.popularity,
            "predicted_popularity": prediction.popularity,
            "true_tier": tiers.of(self.popularity),
            "tier": prediction.tiers(tiers),
        }
        if prediction.scores is not None:
            columns |= {f"score_{k}": prediction.scores[:, k] for k in range(tiers.count)}
        return pd.DataFrame(columns)


def score_rows(
    model: keras.Model,
    task: Task,
    stores: Mapping[str, FeatureSource],
    corpus: Corpus,
    rows: Sequence[int] | IntArray,
) -> Scored:
    """Run a model over rows of a corpus.

    Args:
        model: The model.
        task: Its task.
        stores: The feature store of each modality, or its cache.
        corpus: The corpus.
        rows: The rows.
    """
    return scorer(model, task, stores, corpus, rows)()


def scorer(
    model: keras.Model,
    task: Task,
    stores: Mapping[str, FeatureSource],
    corpus: Corpus,
    rows: Sequence[int] | IntArray,
) -> Callable[[], Scored]:
    """A function that scores the same rows each time, as `score_rows` does once.

    The arguments are those of `score_rows`.
    """
    rows = np.asarray(rows, dtype=np.int64)
    popularity = corpus.popularity[rows]
    # TensorFlow traces each new dataset, as long as it takes to score a few hundred tracks.
    data = dataset(Batches(stores, rows, task.targets(popularity), batch_size=BATCH_SIZE))

    def score() -> Scored:
        outputs = model.predict(data, verbose=0, callbacks=[Settled()])
        return Scored(task, rows, popularity, np.asarray(outputs))

    return score

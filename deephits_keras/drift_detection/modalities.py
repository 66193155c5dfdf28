"""Which tracks of a modality are compared."""

from __future__ import annotations

import numpy as np

from deephits_keras.drift_detection.statistics import MOST_CLASSIFIED
from deephits_keras.features.store import FeatureStore
from deephits_keras.types import IntArray


def drawn(store: FeatureStore, rows: IntArray) -> IntArray:
    """At most `MOST_CLASSIFIED` of some rows that have the modality, at random."""
    have = rows[store.present[rows]]
    chosen = np.random.default_rng(0).permutation(len(have))[:MOST_CLASSIFIED]
    return np.sort(have[chosen])

"""The control: a corpus whose popularity is shuffled among its tracks."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.table import Corpus


class ShuffledCorpus(Corpus):
    """A corpus with shuffled popularity (after Pachet and Roy 2008).

    Nothing can be learned from it. A model that still predicts it has a target leak: something
    fitted to held-out tracks, or computed from their popularity. A column of the corpus that is a
    copy of the true popularity isn't found, as it doesn't contain the shuffled one: see
    `entrants.copies_of_popularity`.

    Args:
        folder: The corpus's folder; its features are reused.
        seed: Random seed of the order.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder)
        self._seed = seed

    def column(self, name: str) -> pd.Series[Any]:
        """See the base class; `popularity` is shuffled."""
        series = super().column(name)
        if name != "popularity":
            return series
        order = np.random.default_rng(self._seed).permutation(len(series))
        return pd.Series(series.to_numpy()[order], name=name)

    @cached_property
    def popularity(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """`(n,)` shuffled popularity, 0-100."""
        return self.column("popularity").to_numpy(dtype=np.float32)

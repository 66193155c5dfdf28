"""Probabilistic latent semantic analysis (Hofmann 1999)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from deephits_keras.types import Array

STEPS = 20
"""Steps of expectation maximisation for a new text."""

SMALLEST = 1e-9


def fit_words(counts: Array, topics: int) -> Array:
    """Probability of each word in each topic.

    Non-negative factorisation with the Kullback-Leibler divergence finds the same optima as
    expectation maximisation (Gaussier and Goutte 2005).

    Args:
        counts: `(texts, words)`, the training texts'.
        topics: Number of topics.

    Returns:
        `(topics, words)` float64; each row adds up to 1.
    """
    from scipy import sparse
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(
        topics,
        init="random",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=200,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(sparse.csr_matrix(counts.astype(np.float64)))
    words = np.asarray(model.components_) + SMALLEST
    shares_of_words: Array = words / words.sum(axis=1, keepdims=True)
    return shares_of_words


def shares(counts: Any, words: Any, by_word: Any, ones: Any, *, steps: int = STEPS) -> Any:
    """Share of each topic in new texts, with the topics' words fixed ("folding in").

    Uses operators alone, for arrays and for tensors of any backend.

    Args:
        counts: `(texts, words)`.
        words: `(topics, words)` probabilities.
        by_word: The same, transposed.
        ones: `(topics, topics)` ones.
        steps: Steps of expectation maximisation, from equal shares.

    Returns:
        `(texts, topics)`; each row of a text with words adds up to 1.
    """
    found = (counts @ by_word) * 0 + 1 / words.shape[0]
    for _ in range(steps):
        likely = found * ((counts / (found @ words + SMALLEST)) @ by_word)
        found = likely / (likely @ ones + SMALLEST)
    return found

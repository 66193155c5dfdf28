"""Words of texts, and the numbers that they become."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

from deephits_keras.encoders.words import hash_of


def test_the_hash_is_scikit_learns() -> None:
    letters, draw = [*"abcd'éßΝύχτας日本語İ😀0 "], np.random.default_rng(0)
    texts = ["".join(draw.choice(letters, length)) for length in range(20) for _ in range(20)]
    assert [hash_of(text) for text in texts] == [murmurhash3_32(t, positive=True) for t in texts]


def test_what_is_no_text_has_none() -> None:
    with pytest.raises(UnicodeEncodeError):
        hash_of("\ud800")

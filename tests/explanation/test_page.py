"""Bars and words of explanations: nothing is lost, and nothing incomplete is passed off."""

from __future__ import annotations

import re

import numpy as np
import pytest

from deephits_keras.encoders.explainable import Part
from deephits_keras.explanation.drawing import MOST_BARS, draw_parts
from deephits_keras.explanation.integrated import Attribution
from deephits_keras.explanation.page import show_change, track_page
from deephits_keras.explanation.track import Explanation, ModalityExplanation
from deephits_keras.prediction.predictor import TrackPrediction


def bars(parts: list[Part]) -> dict[str, float]:
    axes = draw_parts(parts, "score").axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in axes.patches], strict=True))


def test_what_has_no_bar_of_its_own_is_one_bar_together() -> None:
    # Alike but for their place: a song says a word more than once.
    words = [Part("la", 0.5)] * MOST_BARS + [Part("la", 0.5), Part("di", -0.25)]
    axes = draw_parts(words, "score").axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [0.5] * MOST_BARS + [0.25]
    assert axes.get_yticklabels()[-1].get_text() == "2 others"
    assert sum(widths) == pytest.approx(sum(part.contribution for part in words))


def test_as_many_parts_as_bars_leave_no_others() -> None:
    assert not [
        name for name in bars([Part(str(n), n) for n in range(MOST_BARS)]) if "other" in name
    ]


def test_what_a_track_has_nothing_in_is_left_out_of_the_largest_parts() -> None:
    padding = Part("9.0-30.0 s", 5.0, "padding or silence", empty=True)
    unknown = Part("valence", 0.0, "unknown", empty=True)
    heard = [Part(str(n), n / 100) for n in range(1, MOST_BARS + 1)]
    found = bars([unknown, padding, *heard])
    assert list(found)[:-1] == [part.name for part in heard]
    assert found["padding or silence"] == 5
    assert "valence" not in bars([unknown, *heard])


def explanation(error: float) -> Explanation:
    parts = (
        Part("tempo", 0.25, "120"),
        Part("valence", 0.0, "unknown", empty=True),
        Part("energy", 0.0, "unknown", empty=True),
    )
    prediction = TrackPrediction("song", 50.0, 1, "25-65", {}, (), {}, ())
    return Explanation(
        prediction=prediction,
        target="score of tier 25-65",
        attribution=Attribution({"fields": np.array([0.25 * (1 - error)])}, 0.5, 0.75, 8),
        modalities=(ModalityExplanation("meta", "numeric", "unknown", parts, None),),
        synthetic=False,
    )


@pytest.mark.parametrize(("error", "warned"), [(0.0099, False), (0.0101, True), (0.5, True)])
def test_contributions_that_miss_the_difference_are_not_to_be_trusted(
    error: float, warned: bool
) -> None:
    page = track_page(explanation(error))
    assert ("be trusted: their sum misses the difference" in page) is warned
    assert f"their sum misses it by {error:.1%}." in " ".join(page.split())


def test_the_page_names_its_run_and_links_to_its_report() -> None:
    page = " ".join(track_page(explanation(0.0), run="<mine>", report="../report.html").split())
    assert 'Run: <a href="../report.html">&lt;mine&gt;</a>.' in page
    assert "Run: &lt;mine&gt;." in track_page(explanation(0.0), run="<mine>")
    assert "Run: " not in track_page(explanation(0.0))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.0004, 0.0006], "+0.00050 ± 0.00010"),
        ([0.2, 0.4], "+0.300 ± 0.100"),
        ([0, 0], "0 ± 0"),
    ],
)
def test_a_deviation_has_the_digits_of_its_mean(values: list[float], told: str) -> None:
    assert show_change("loss", np.array(values)) == told


def test_unknown_fields_are_one_row() -> None:
    page = track_page(explanation(0.0))
    rows = re.findall(r'<th scope="row">(.*?)</th>', page)
    assert rows == ["meta", "tempo", "valence, energy"]
    assert "Blue parts raised the score, red parts lowered it." in page

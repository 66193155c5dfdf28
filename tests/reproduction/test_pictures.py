"""The paper's figures follow a dark page."""

from deephits_keras.report.style import INK, svg
from deephits_keras.reproduction.pictures import losses_figure


def test_bars_and_their_spread_follow_a_dark_page() -> None:
    drawn = svg(losses_figure({"paper": {"without lyrics": [1.0, 3.0]}}))
    assert "#000000" not in drawn.lower()
    assert f"stroke: {INK}" in drawn

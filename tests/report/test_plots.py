"""The pictures show the numbers they are given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from deephits_keras.report import plots
from deephits_keras.report.style import label_plainly, styled, svg
from deephits_keras.tasks import TIERS

THREE = TIERS["tiers-3"]
TRUE = np.array([0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 0])


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_confusion_matrix_counts_and_shares_each_true_tier():
    figure = plots.confusion_matrix(TRUE, PREDICTED, THREE)
    shares = figure.axes[0].images[0].get_array()
    assert shares.tolist() == pytest.approx(
        np.array([[1 / 2, 1 / 2, 0], [0, 2 / 3, 1 / 3], [1, 0, 0]])
    )
    assert texts(figure) == ["1\n50%", "1\n50%", "2\n67%", "1\n33%", "1\n100%"]


def test_the_learning_curves_mark_the_selected_epoch():
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "validation_macro_f1": [0.1, 0.3, 0.2]}
    )
    (loss,), (hits,) = (draw(history, 2).axes for draw in (plots.loss_curves, plots.score_curves))
    assert loss.lines[0].get_ydata().tolist() == [3.0, 2.0, 1.0]
    assert hits.lines[0].get_ydata().tolist() == [0.1, 0.3, 0.2]
    assert [line.get_xdata() for line in hits.lines if line.get_label().startswith("_")] == [[2, 2]]


def test_one_epoch_is_no_fraction_of_one():
    figure = plots.loss_curves(pd.DataFrame({"epoch": [1], "loss": [3.0]}), 1)
    svg(figure)
    low, high = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high] == [1]


def test_the_learning_curves_of_an_ensemble_are_a_line_a_member():
    history = pd.DataFrame({"member": [*"aab"], "epoch": [1, 2, 1], "loss": [3.0, 2.0, 1.0]})
    history["validation_accuracy"] = [0.5, 0.6, 0.7]
    (loss,) = plots.loss_curves(history).axes
    np.testing.assert_array_equal(loss.lines[0].get_xdata(), [1, 2, np.nan, 1, np.nan])
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), [3, 2, np.nan, 1, np.nan])


def test_the_reliability_diagram_shows_a_dot_a_bin():
    scores = np.array([[0.9, 0.05, 0.05], [0.92, 0.04, 0.04], [0.3, 0.5, 0.2]])
    axes = plots.reliability_diagram(np.array([0, 1, 1]), scores).axes[0]
    # The lines come first, then the dots: 0.9 and 0.92 share a bin, and one of them is right.
    dots = axes.collections[-1].get_offsets().tolist()
    assert dots == [pytest.approx([0.5, 1]), pytest.approx([0.91, 0.5])]


def test_recall_bars_and_their_mean_leave_out_tiers_without_tracks():
    axes = plots.tier_recall(TRUE[:5], PREDICTED[:5], THREE).axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([1 / 2, 2 / 3])
    assert np.asarray(axes.lines[0].get_ydata())[0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert axes.get_xlim() == pytest.approx((-0.6, 2.6)), "every tier has its whole place"


def test_the_distribution_counts_both_sides():
    axes = plots.tier_distribution(TRUE, PREDICTED, THREE).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [2, 3, 1, 2, 3, 1]


@pytest.mark.parametrize("tracks", [1, plots.POINTS_IN_A_SCATTER, plots.POINTS_IN_A_SCATTER + 1])
def test_every_track_is_in_the_picture_of_popularity(tracks):
    draw = np.random.default_rng(0)
    figure = plots.predicted_against_true(*draw.uniform(0, 100, (2, tracks)))
    drawn = figure.axes[0].collections[0]
    counted = drawn.get_array()
    assert (
        np.asarray(drawn.get_offsets()).shape[0] if counted is None else counted.sum()
    ) == tracks


@pytest.mark.parametrize("name", list(TIERS))
def test_a_single_track_can_be_drawn(name):
    tiers, one = TIERS[name], np.array([1])
    for draw in (plots.confusion_matrix, plots.tier_recall, plots.tier_distribution):
        assert "</svg>" in svg(draw(one, one, tiers))


def test_a_logarithmic_axis_is_labelled_with_numbers():
    @styled
    def draw() -> Figure:
        figure = Figure()
        axes = figure.subplots()
        axes.set(xscale="log", xlim=(0.001, 1))
        label_plainly(axes.xaxis)
        figure.draw_without_rendering()
        return figure

    (axes,) = draw().axes
    assert {"0.01", "0.1"} <= {label.get_text() for label in axes.get_xticklabels()}

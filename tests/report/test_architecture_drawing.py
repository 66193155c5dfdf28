"""The picture of a model names every part with its size and parameters."""

import dataclasses

import pytest

from deephits_keras.model.architecture import Architecture, Branch, Part
from deephits_keras.report.architecture_drawing import draw_architecture
from deephits_keras.report.style import svg

MODEL = Architecture(
    task="tiers-3",
    fusion="late",
    branches=(
        Branch("chroma", "chroma_mean", {"chroma": (12,)}, 16, 208, ()),
        Branch("meta", "numeric", {"values": (26,), "flags": (2, 3)}, 64, 5_888, ()),
    ),
    missing_embeddings=80,
    fusion_part=Part("late fusion", 3, 1_040, ()),
    output=Part("output", 3, 2, ()),
)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_part_is_named_with_its_size_and_parameters():
    shown = texts(draw_architecture(MODEL))
    for text in (
        "chroma",
        "chroma_mean",
        "chroma 12",
        "208 parameters",
        "16",
        "flags 2 x 3",
        "late fusion",
        "1,040 parameters",
        "output",
        "tiers-3",
    ):
        assert text in shown
    assert shown[-1] == "7,218 trainable parameters, 80 of them stand in for missing inputs"


def test_nothing_is_said_of_missing_inputs_without_embeddings_for_them():
    plain = dataclasses.replace(MODEL, missing_embeddings=0)
    assert texts(draw_architecture(plain))[-1] == "7,138 trainable parameters"


@pytest.mark.parametrize("branches", [1, 6])
def test_the_picture_grows_with_the_branches_and_keeps_all_in_its_frame(branches):
    many = dataclasses.replace(MODEL, branches=(MODEL.branches * 3)[:branches])
    figure = draw_architecture(many)
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    for patch in axes.patches:
        box = patch.get_path().get_extents(patch.get_patch_transform())
        assert low <= box.ymin
        assert box.ymax <= high
    assert figure.get_figheight() == pytest.approx((branches * 1.5 + 0.7) * 0.72)


def test_a_long_name_stays_in_its_box():
    long = dataclasses.replace(
        MODEL.branches[0], encoder="a_third_partys_encoder_of_everything_at_all"
    )
    figure = draw_architecture(dataclasses.replace(MODEL, branches=(long,)))
    name = next(t for t in figure.axes[0].texts if t.get_text() == long.encoder)
    width = name.get_window_extent().transformed(figure.axes[0].transData.inverted()).width
    assert width < 2.3


def test_a_dollar_sign_is_no_formula():
    odd = dataclasses.replace(MODEL.branches[0], encoder="$\\frac{$")
    assert "</svg>" in svg(draw_architecture(dataclasses.replace(MODEL, branches=(odd,))))

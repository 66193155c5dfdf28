"""Search spaces: from options, TOML files, Python and recipes; mistakes are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deephits_keras.errors import UserError
from deephits_keras.recipes import Recipe, get_recipe
from deephits_keras.tuning.names import find_setting, settings
from deephits_keras.tuning.space import built_in_space, make_space, read_space


def spelt(given: dict[str, Any]) -> dict[str, str]:
    return {name: str(dimension) for name, dimension in make_space(given).items()}


def test_an_option_a_list_and_a_table_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(
        """
        learning_rate = {low = 0.001, high = 0.1, log = true}
        [fusion]
        units = [[128, 64], [256]]
        [encoders.mel_cnn]
        frames = "64,128"
        [training]
        epochs = {low = 5, high = 20, step = 5}
        """,
        encoding="utf-8",
    )
    expected = {
        "max_learning_rate": "0.001..0.1:log",
        "fusion.units": "128+64,256",
        "mel_cnn.frames": "64,128",
        "epochs": "5..20:step=5",
    }
    assert spelt(read_space(tmp_path / "space.toml")) == expected
    assert spelt(expected) == expected
    assert spelt({"units": ["128+64", (256,)]}) == {"fusion.units": "128+64,256"}


def test_whole_parts_come_first_and_declared_values_need_no_list() -> None:
    space = make_space({"optimizer": "", "cycle_momentum": "", "fusion": ""})
    assert next(iter(space)) == "fusion"
    assert space["optimizer"].choices == ("adam", "adamw", "adadelta", "adagrad", "sgd")
    assert space["cycle_momentum"].choices == (False, True)
    assert "members" in space["fusion"].choices


def test_drawn_numbers_can_be_typed() -> None:
    space = make_space({"l2": "0.0001..0.1:log", "epochs": "5..20", "fusion": "early,late"})
    assert space["l2"].value(0.00123456) == 0.00123
    assert space["l2"].value(0.09999) == 0.1
    assert space["epochs"].value(7.0) == 7
    assert space["fusion"].value("late") == "late"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("learning-rate", "max_learning_rate"),
        ("training.l2", "l2"),
        ("dropout", "fusion.dropout"),
        ("mel-frames", "mel.frames"),
        ("tabular.categories", "tabular.categories"),
    ],
)
def test_a_setting_is_found_however_it_is_spelt(wanted: str, found: str) -> None:
    assert find_setting(wanted).name == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learnin_rate": "1..2"}, "Did you mean learning_rate or max_learning_rate?"),
        ({"mell-frames": "1..2"}, r"Did you mean mel\.frames\?"),
        ({"xyzzy": "1,2"}, "deephits encoders show NAME"),
        ({"seed": "1,2"}, "seed can't be searched"),
        ({"ensemble": "1,2"}, "give --ensemble"),
        ({"l2": "0.1"}, "two values are needed"),
        ({"l2": "0.1..0.01"}, "0.1 is not below 0.01"),
        ({"l2": "0..1:log"}, "log needs a range above 0"),
        ({"l2": "0..1:lin"}, "'lin' is neither log nor step=NUMBER"),
        ({"l2": "a..1"}, "'a' is not a number"),
        ({"l2": {"low": 0.1}}, "a range needs low and high"),
        ({"l2": {"low": 0.1, "high": 0.2, "scale": 1}}, "a range has no 'scale'"),
        ({"l2": {"low": 0.0, "high": float("inf")}}, "high must be a number"),
        ({"l2": 0.1}, "one value is no search"),
        ({"epochs": "5..7.5"}, "it is a whole number, but high is 7.5"),
        ({"fusion": "early,lat"}, "'lat' is none of early, late"),
        ({"fusion": "a..b"}, "no number"),
        ({"xla": ["yes", "perhaps"]}, "a value must be true or false. Received: 'perhaps'"),
        ({"l2": "0..1", "training": {"l2": "0..1"}}, "l2 is given twice"),
        ({}, "The search space is empty"),
    ],
)
def test_a_mistake_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_space(given)


def test_every_recipe_has_a_space() -> None:
    own = spelt(built_in_space(get_recipe("default")))
    assert own["fusion.units"] == "64+64,128+128,256+256,128+128+128"
    mine = Recipe("mine", "fields alone", training={"max_learning_rate": 0.3})
    assert spelt(built_in_space(mine))["max_learning_rate"] == "0.01..0.9:log"
    mine = Recipe("mine", "fields alone", search={"optimizer": ["sgd", "adam"]})
    assert spelt(built_in_space(mine)) == {"optimizer": "sgd,adam"}


def test_every_setting_of_an_encoder_with_plain_values_can_be_searched() -> None:
    known = settings()
    assert known["mel_cnn.frames"].kind is int
    assert known["meta.columns"].kind is tuple
    assert not any(name.startswith("seed") for name in known)

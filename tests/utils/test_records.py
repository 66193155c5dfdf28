"""Plain values to dataclasses and back: what, where, received."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from deephits_keras.errors import UserError
from deephits_keras.utils.files import read_record, write_json
from deephits_keras.utils.records import check_types, from_plain, to_plain


@dataclass(frozen=True)
class Layer:
    name: str
    shape: tuple[int, ...] = ()
    kind: Literal["wide", "deep"] = "wide"

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a layer must have a name")


@dataclass(frozen=True)
class Model:
    rate: float
    branches: Mapping[str, tuple[Layer, ...]] = field(default_factory=dict)
    weights: tuple[tuple[str, float], ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


MODEL = Model(
    0.5,
    {"mel": (Layer("conv", (3, 4)),), "meta": (Layer("a"), Layer("b"))},
    (("mel", 1.0),),
    {"anything": [1, {"nested": None}]},
)


def test_a_record_comes_back_equal_from_its_file(tmp_path: Path) -> None:
    write_json(tmp_path / "model.json", MODEL)
    assert read_record(tmp_path / "model.json", Model, "a model") == MODEL


def test_what_came_from_a_file_is_written_with_its_defaults(tmp_path: Path) -> None:
    read = from_plain({"rate": 1}, Model, "it")
    write_json(tmp_path / "model.json", read)
    assert json.loads((tmp_path / "model.json").read_text()) == dataclasses.asdict(Model(1.0))


def test_paths_and_numbers_of_numpy_are_written(tmp_path: Path) -> None:
    values = {"path": Path("a/b"), "number": np.int64(3), "share": np.float32(0.5), "gap": math.nan}
    write_json(tmp_path / "model.json", Model(1.0, extra=values))
    extra = read_record(tmp_path / "model.json", Model, "a model").extra
    assert math.isnan(extra["gap"])
    assert {**extra, "gap": 0} == {"path": "a/b", "number": 3, "share": 0.5, "gap": 0}
    with pytest.raises(TypeError, match="object has no form in JSON"):
        write_json(tmp_path / "model.json", Model(1.0, extra={"it": object()}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate": "0.5"}, "rate must be a number. Received: '0.5'"),
        ({"rate": True}, "rate must be a number. Received: True"),
        ({"branches": []}, "branches must be names with values. Received: []"),
        ({"weights": 3}, "weights must be a list or none. Received: 3"),
        ({"weights": [["mel", None]]}, "weights[0][1] must be a number. Received: None"),
        ({"colour": "red"}, "there is no 'colour'. Known: rate, branches, weights, extra"),
        (
            {"branches": {"mel": [{"name": "a"}], "meta": [{"name": "b"}, {"name": 7}]}},
            "branches.meta[1].name must be a text. Received: 7",
        ),
        (
            {"branches": {"mel": [{"name": "a"}], "meta": [{"shape": [1]}]}},
            "branches.meta[0].name is missing",
        ),
        (
            {"branches": {"mel": [{"name": "a", "shape": [1, 2.5]}]}},
            "branches.mel[0].shape[1] must be a whole number. Received: 2.5",
        ),
        (
            {"branches": {"mel": [{"name": "a", "size": 1}]}},
            "branches.mel[0] has no 'size'. Known: name, shape, kind",
        ),
        ({"branches": {"mel": [{"name": ""}]}}, "branches.mel[0]: a layer must have a name"),
        ({"weights": [["mel"]]}, "weights[0] must be a list of 2 values. Received: ['mel']"),
        (
            {"branches": {"mel": [{"name": "a", "kind": "round"}]}},
            "branches.mel[0].kind can't be 'round'",
        ),
        ({"rate": 10**400}, "rate: Number out of range"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        from_plain({**json.loads(json.dumps(MODEL, default=to_plain)), **change}, Model, "m.json")
    assert str(refused.value) == f"m.json: {said}"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "it must be names with values. Received: []"),
        ({}, "rate is missing"),
        (None, "it must be names with values"),
    ],
)
def test_what_is_no_record_at_all_is_refused(values: Any, said: str) -> None:
    with pytest.raises(UserError, match=f"m.json: {said}".replace("[", r"\[")):
        from_plain(values, Model, "m.json")


def test_a_file_is_named_with_the_key(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"rate": null}')
    with pytest.raises(UserError) as refused:
        read_record(path, Model, "a model")
    assert str(refused.value) == f"{path} is damaged: rate must be a number. Received: None"


def test_a_record_made_by_hand_is_checked() -> None:
    check_types(MODEL)
    check_types(Model(1))
    with pytest.raises(UserError, match=r"Model: rate must be a number\. Received: 'fast'"):
        check_types(Model("fast"))  # type: ignore[arg-type]


def test_importing_it_costs_no_msgspec() -> None:
    program = "import sys, deephits_keras.utils.records; print('msgspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr

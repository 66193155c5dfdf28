"""The checks of what an encoder may leave out: each finds its fault, and all in one class."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_encoders import Documented, Level, LevelConfig
from markupsafe import Markup

from deephits_keras.encoders.explainable import Explainable, ExplainableFeatures, Part
from deephits_keras.encoders.features import ExtractionError, FeatureSpec
from deephits_keras.encoders.inputs import AUDIO, Input
from deephits_keras.encoders.picture import Picture
from deephits_keras.testing import (
    parametrize_with_checks,
    run_checks,
)
from deephits_keras.testing.suite import CHECKS
from deephits_keras.tracks import Track

OPTIONAL = (
    "inputs_are_all_that_is_read",
    "missing_parts_are_names",
    "remarks_are_sentences",
    "picture_is_one",
    "describe_gives_known_numbers",
    "fields_are_in_features",
    "ablations_do_without",
    "tabular_is_columns",
    "explainable_adds_up",
)
OTHERS = tuple(name for name in CHECKS if name not in OPTIONAL)


class Sound(Level):
    """Says all that it may, rightly."""

    inputs = (AUDIO, Input("tempo"))

    def missing_parts(self, track, features):
        return ("silence", "noise")

    def remarks(self, track, features):
        return ("uncalibrated",)

    def picture(self, features):
        return Picture((9 * features["level"][None]).astype("uint8"), "Level over time")

    def describe(self, track, features):
        return {"energy": float(features["level"].mean()), "mood": -7}

    def fields(self):
        first = {"first": ("level", 0)}
        return {**first, "others": tuple(("level", place) for place in range(1, 8))}

    def ablations(self):
        return {"loudness": {"gain": 0.5}}

    def tabular(self, features):
        return {f"level {n}": features["level"][:, n].astype("float64") for n in range(8)}

    def explainable(self, track, features, branch):
        return ExplainableSound(features, branch, features, "the track's own level")


class ExplainableSound(ExplainableFeatures):
    def __init__(self, features, branch, baseline, reference):
        super().__init__(features, branch, {n: a * 0 for n, a in baseline.items()}, reference)

    def parts(self, attribution):
        return [Part(f"part {n}", value) for n, value in enumerate(attribution["level"])]

    def draw(self, attribution):
        return Markup("<p>loud</p>")


class AllWrong(Level):
    """Every method that it may leave out is there and wrong."""

    inputs = (Input("tempo"),)

    def missing_parts(self, track, features):
        return "tempo"

    def remarks(self, track, features):
        return (3,)

    def picture(self, features):
        return features["level"]

    def describe(self, track, features):
        return {"energy": 300.0}

    def fields(self):
        return {"loudness": ("level", 8)}

    def ablations(self):
        return {"Loudness": {"gain": 2.0}}

    def tabular(self, features):
        return {"level": features["level"].sum(axis=1) - features["level"].sum()}

    def explainable(self, track, features, branch):
        return Explainable({"level": features["level"]}, {"level": features["level"] * 0}, "zeros")


def failures(encoder: Any) -> dict[str, str]:
    results = run_checks(encoder, leave_out=OTHERS)
    return {r.check: r.message for r in results if r.status == "failed"}


def test_a_class_that_says_all_it_may_passes() -> None:
    results = list(run_checks(Sound(), leave_out=OTHERS))
    assert [(r.check, r.status) for r in results] == [(name, "passed") for name in OPTIONAL]


def test_a_class_that_leaves_all_out_passes_and_is_told_of_its_inputs() -> None:
    results = {r.check: r for r in run_checks(Level(), leave_out=OTHERS)}
    skipped = results.pop("inputs_are_all_that_is_read")
    assert skipped.status == "skipped"
    assert "declares no inputs" in skipped.message
    assert {r.status for r in results.values()} == {"passed"}


def test_a_class_with_all_of_them_wrong_is_told_all() -> None:
    found = failures(AllWrong())
    assert list(found) == list(OPTIONAL)
    assert all(len(message) > 40 for message in found.values())


class Gradientless(ExplainableSound):
    def embed(self, values):
        from keras import ops

        return super().embed({n: ops.stop_gradient(v) for n, v in values.items()})


class Elsewhere(ExplainableSound):
    def embed(self, values):
        return super().embed({n: v + 1 for n, v in values.items()})


class Rooted(ExplainableSound):
    def embed(self, values):
        from keras import ops

        level = values["level"]
        return super().embed({"level": level + 1e-9 * ops.sqrt(level)})


def explaining(made: Callable[..., Any]) -> dict[str, Any]:
    return {"explainable": lambda self, track, features, branch: made(features, branch)}


def of(kind: type) -> dict[str, Any]:
    return explaining(lambda features, branch: kind(features, branch, features, "silence"))


def drawing(**methods: Any) -> dict[str, Any]:
    return of(type("Other", (ExplainableSound,), methods))


def always(value: Any) -> Callable[..., Any]:
    return lambda self, *arguments: value


@pytest.mark.parametrize(
    ("check", "changed", "told"),
    [
        ("inputs", {"inputs": ()}, r"\(none\): declare all"),
        ("inputs", {"inputs": [AUDIO]}, "tuple of Input"),
        ("missing_parts", {"missing_parts": always(("a", "a"))}, "different names"),
        ("missing_parts", {"missing_parts": lambda self, t, f: 1 / 0}, "ZeroDivisionError"),
        ("remarks", {"remarks": always("uncalibrated")}, "tuple of texts"),
        ("picture", {"picture": always("loud")}, "a Picture with a caption"),
        (
            "picture",
            {"picture": lambda self, f: Picture(f["level"], "")},
            r"\(height, width\) uint8",
        ),
        ("describe", {"describe": always({"mood": math.nan})}, "leave out what isn't known"),
        ("describe", {"describe": always({"key": 1.5})}, "not a whole number"),
        ("describe", {"describe": always([("energy", 1)])}, "by the field's name"),
        ("fields", {"fields": always({"a": ("volume", 0)})}, "which isn't there"),
        ("fields", {"fields": always({"a": ("level", 1), "b": ("level", None)})}, "to both a and"),
        ("ablations", {"ablations": always({"part": {"gain": 1.0}})}, "changes no setting"),
        ("ablations", {"ablations": always({"part": {"volume": 1.0}})}, "there is no 'volume'"),
        ("tabular", {"tabular": always({"level": np.zeros(3)})}, r"of the shape \(0,\)"),
        (
            "tabular",
            {"tabular": lambda self, f: {f"{n}": f["level"][n] for n in range(len(f["level"]))}},
            "of the shape",
        ),
        ("explainable", {"explainable": always(None)}, "must give an Explainable"),
        ("explainable", of(Gradientless), "has no gradient there"),
        ("explainable", of(Elsewhere), "doesn't lead from the point"),
        ("explainable", of(Rooted), "aren't finite"),
        ("explainable", drawing(parts=always([])), "add up to 0"),
        ("explainable", drawing(parts=always([("a", 1.0)])), "a Part with a name"),
        ("explainable", drawing(draw=always("<p>loud</p>")), "plain text"),
        ("explainable", drawing(draw=lambda self, a: 1 / 0), "draw raised ZeroDivisionError"),
    ],
)
def test_each_fault_is_found_alone(check: str, changed: dict[str, Any], told: str) -> None:
    name = next(each for each in OPTIONAL if each.startswith(check))
    faulty = type("Faulty", (Sound,), changed)
    leave_out = [each for each in CHECKS if each != name]
    (result,) = run_checks(faulty(), leave_out=leave_out)
    assert result.status == "failed"
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(result.message)


# === Bad tracks, and failures that are expected ===


class Refusing(Sound):
    """Refuses recordings that are named as silent, and says so with a track of its own."""

    def extract(self, track):
        if track.audio is not None and "silent" in track.audio.name and self.config.units != 7:
            raise ExtractionError(track.id, "it is silent")
        return super().extract(track)

    @classmethod
    def bad_tracks(cls, folder: Path) -> tuple[Track, ...]:
        (own, *_) = cls.example_tracks(folder)
        silent = own.audio.rename(folder / "silent.wav")
        return (Track("quiet", audio=silent),)


def test_an_encoders_own_bad_tracks_must_be_refused() -> None:
    alone = [name for name in CHECKS if name != "bad_input_is_extraction_error"]
    (result,) = run_checks(Refusing(), leave_out=alone)
    assert result.status == "passed", result.message
    (result,) = run_checks(Refusing(LevelConfig(units=7)), leave_out=alone)
    assert "extract gave features for the bad track quiet" in result.message


def test_a_failure_that_is_expected_has_its_reason() -> None:
    reason = {"remarks_are_sentences": "numbers are enough"}
    faulty = type("Faulty", (Sound,), {"remarks": always((3,))})
    alone = [name for name in CHECKS if name != "remarks_are_sentences"]
    (result,) = run_checks(faulty(), leave_out=alone, expected_failed_checks=reason)
    assert (result.status, result.message) == ("xfail", "numbers are enough")
    own = type("Own", (faulty,), {"expected_failed_checks": reason})
    (result,) = run_checks(own(), leave_out=alone)
    assert result.status == "xfail"
    # What passes all the same has passed.
    (result,) = run_checks(Sound(), leave_out=alone, expected_failed_checks=reason)
    assert result.status == "passed"
    with pytest.raises(ValueError, match="names remark, which no check"):
        list(run_checks(Sound(), expected_failed_checks={"remark": "?"}))


def test_pytest_takes_it_for_an_expected_failure() -> None:
    reason = {"documented": "it speaks for itself"}
    mark = parametrize_with_checks([Documented()], expected_failed_checks=reason)
    parameters = {parameter.id: parameter.values for parameter in mark.args[1]}
    encoder, check = parameters["level-documented"]
    with pytest.raises(pytest.xfail.Exception, match="it speaks for itself"):
        check(encoder)
    encoder, check = parameters["level-names"]
    check(encoder)


def test_an_encoder_of_contract_version_1_is_still_checked_and_used() -> None:
    class Old(Level):
        contract_version = 1

    assert Old().inputs is None
    quick = [n for n in CHECKS if n not in ("contract_version", "extract_gives_what_specs_say")]
    assert {r.status for r in run_checks(Old(), leave_out=quick)} == {"passed"}
    newer = type("New", (Sound,), {"contract_version": 99})()
    (result,) = run_checks(newer, leave_out=[n for n in CHECKS if n != "contract_version"])
    assert "contract_version is 99" in result.message


def test_the_feature_of_whole_numbers_alone_has_nothing_to_attribute() -> None:
    class Counted(Sound):
        feature_specs = (FeatureSpec("level", (8,), "int16", "RMS of each part"),)
        explainable = Level.explainable

        def extract(self, track):
            features = super().extract(track)
            return features and {"level": (features["level"] * 100).astype("int16")}

        def adapt(self, batches):
            pass

        def build(self, inputs):
            from keras import ops

            return super().build({"level": ops.cast(inputs["level"], "float32")})

    alone = [name for name in CHECKS if name != "explainable_adds_up"]
    (result,) = run_checks(Counted(), leave_out=alone)
    assert result.status == "passed", result.message

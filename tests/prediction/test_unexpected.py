"""What a plug-in raises unexpectedly is one track's failure, in `predict` and `explain` too."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brittle
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from deephits_keras.corpus import Corpus, make_split, write_corpus
from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.registry import registry, resolve_modalities
from deephits_keras.explanation.page import track_page
from deephits_keras.explanation.track import Explanation, TrackExplainer
from deephits_keras.features.extraction import extract_features
from deephits_keras.prediction.measured import measure_fields
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tracks import Track
from deephits_keras.training.trainer import new_run, train

TRACKS = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of two modalities, one of them brittle."""
    folder = tmp_path_factory.mktemp("brittle")
    brittle.register(folder / "site")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "site"))
        registry.cache_clear()
        rng = np.random.default_rng(0)
        table = pd.DataFrame({"track_id": [f"t{n}" for n in range(TRACKS)]})
        table["popularity"] = rng.integers(0, 101, TRACKS).astype(float)
        table["audio"] = table["lyrics"] = None
        table["level"], table["tempo"] = rng.normal(size=TRACKS), rng.normal(120, 9, TRACKS)
        info = {"synthetic": True, "encoder_settings": {}}
        corpus = write_corpus(folder / "corpus", table, info, rejected=pd.DataFrame())
        encoders = resolve_modalities("mood,meta", {"meta": {"columns": "tempo"}})
        for encoder in encoders.values():
            extract_features(corpus, encoder, jobs=1)
        split = make_split("random", corpus, validation=0.3)
        settings = TrainingConfig(epochs=1, batch_size=8)
        made = new_run(
            folder / "run", corpus, encoders, split, task="regression", training=settings
        )
        train(made, corpus)
        yield Run(folder / "run")
    registry.cache_clear()


def song(mood: str, **fields: Any) -> Track:
    return Track(mood, fields={"mood": mood, "level": 0.5, "tempo": 120, **fields})


@pytest.mark.parametrize(
    ("mood", "told"),
    [
        ("extract", "mood can't be used: brittle raised KeyError: 'broken in extract'"),
        ("shape", "mood can't be used: brittle: feature 'level' is float32 (1,)"),
        ("missing_parts", "mood can't say what it lacks: brittle raised KeyError"),
        ("remarks", "mood can't say what it lacks: brittle raised KeyError"),
    ],
)
def test_a_prediction_goes_on_without_what_broke(run: Run, mood: str, told: str) -> None:
    first, broken, last = Predictor(run).predict([song("a"), song(mood), song("b")])
    assert first.popularity == last.popularity is not None
    assert first.remarks == ("mood: sound",)
    assert first.warnings == ()
    assert broken.popularity is not None
    assert broken.warnings[0].startswith(told)
    assert ("mood" in broken.missing) == (mood in ("extract", "shape"))


def test_a_field_that_can_not_be_measured_is_one_track_s_warning(run: Run) -> None:
    encoder = brittle.Brittle()
    fine, broken = measure_fields([song("a", tempo=None), song("describe", tempo=None)], encoder)
    assert (fine.track.fields["tempo"], fine.remarks) == (100.0, ("brittle: sound",))
    assert broken.track.fields["tempo"] is None
    assert broken.warnings == (
        "brittle could measure no field: brittle raised KeyError: 'broken in describe'",
    )


@pytest.mark.parametrize("mood", ["explainable", "embed", "parts", "draw"])
def test_an_explanation_names_the_track_and_the_encoder(run: Run, mood: str) -> None:
    with pytest.raises(ExtractionError, match=rf"^track {mood}: brittle raised \w+Error: "):
        TrackExplainer(Predictor(run)).explain(song(mood))


@pytest.fixture(scope="module")
def explanation(run: Run) -> Explanation:
    return TrackExplainer(Predictor(run)).explain(song("a"))


def test_whole_numbers_are_said_not_to_be_attributed(
    run: Run, explanation: Explanation, deephits: Callable[..., Any]
) -> None:
    mood, meta = explanation.modalities
    assert (mood.unattributed, meta.unattributed) == (("steps",), ())
    assert [part.name for part in mood.parts] == ["level"]
    assert json.loads(json.dumps(explanation.to_json()))["modalities"]["mood"][
        "not_attributed"
    ] == ["steps"]
    page = track_page(explanation)
    assert "held fixed and not attributed: steps." in page
    assert "with every attributed input at its baseline" in page
    assert "with every input at its baseline" not in page
    told = deephits("explain", run.folder, "--set", "level=0.5", "--set", "tempo=120")
    assert told.code == 0, told.err
    assert "with every attributed input at its baseline" in told.out
    assert "not attributed: steps of mood" in told.out


def test_with_no_whole_numbers_every_input_is_at_its_baseline(run: Run) -> None:
    plain = TrackExplainer(Predictor(run)).explain(Track("t", fields={"tempo": 90}))
    assert "with every input at its baseline" in track_page(plain)
    assert "not attributed" not in track_page(plain).casefold()


def test_a_picture_is_drawn_in_the_house_style(explanation: Explanation) -> None:
    picture = explanation.modalities[0].picture
    assert isinstance(picture, Figure)
    (axes,) = picture.axes
    # The style's own: no frame at the top and the right.
    assert not axes.spines["top"].get_visible()


@pytest.mark.parametrize(("share", "warned"), [(0.0099, False), (0.0101, True), (0.5, True)])
def test_contributions_that_do_not_add_up_are_not_to_be_trusted(
    explanation: Explanation, share: float, warned: bool
) -> None:
    values = {"mood_level": np.array([0.6 * (1 - share), 0.4 * (1 - share)])}
    off = dataclasses.replace(
        explanation.attribution, values=values, baseline_score=10.0, score=11.0
    )
    page = track_page(dataclasses.replace(explanation, attribution=off))
    assert (f"be trusted: their sum misses the difference by {share:.1%}" in page) == warned


def test_a_corpus_track_is_explained_by_its_declared_inputs(
    run: Run, deephits: Callable[..., Any]
) -> None:
    corpus = Corpus.open(Path(run.config.corpus["folder"]))
    told = deephits("explain", run.folder, "--track", corpus.track_ids[3], "--json")
    assert told.code == 0, told.err
    assert set(json.loads(told.out)["modalities"]) == {"mood", "meta"}

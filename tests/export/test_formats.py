"""Each format's graph says what the Keras model says, of every fusion, head and encoder."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from deephits_plugins.bert_lyrics.untrained import write_untrained_bert
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from deephits_keras.encoders.features import PRESENT
from deephits_keras.encoders.registry import registry, resolve_modalities
from deephits_keras.export.examples import TOLERANCE, score_difference
from deephits_keras.export.formats.registry import FORMATS
from deephits_keras.export.manifest import Manifest, output_of
from deephits_keras.export.tensors import TensorInfo, tensors
from deephits_keras.fields.quantiles import QuantileNormal, fit_quantiles
from deephits_keras.model.builder import build_model, with_temperature
from deephits_keras.model.ensemble import ensemble
from deephits_keras.model.fusion import FUSIONS, get_fusion
from deephits_keras.model.head_names import HEADS
from deephits_keras.model.trees import DEPTH, SoftTrees, Trees, tree_vector, with_trees
from deephits_keras.runs.run import Run
from deephits_keras.tasks import Task, get_task
from deephits_keras.training.boosting import complete_trees

TRACKS, TOGETHER = 64, 8
"""All of them in one batch would be gigabytes of spectrograms."""

FEW = {"corn": 16}
"""Of a network that takes a second for a track."""

WORDS = {"max_words": 12, "buckets": 50, "word_size": 8, "states": 8, "units": 16}
SETTINGS: dict[str, dict[str, Any]] = {
    "mel_cnn": {"frames": 96},
    "mel_fcn": {"frames": 96, "mel_bands": 48},
    "mel_crnn": {"frames": 192, "mel_bands": 16},
    "lyrics_lstm": WORDS,
    "mel_conv1d": {"frames": 96},
    "cqt_cnn": {"channels": (4, 4, 4, 4)},
    "tfidf_text": {"buckets": 50, "hidden": 16, "units": 8},
    "sounds": {"frames": 8, "sounds": 4},
    "topics": {"buckets": 50, "topics": 3},
    "signals": {"names": ("plays",), "windows": (7,)},
    "collaborations": {"vectors": 4},
    "tabular": {"word_popularity": True},
    "bert_tuned": {"max_tokens": 8, "units": 16},
}
"""Small enough to build in a moment."""

MODELS: dict[str, dict[str, Any]] = {
    "early": {"modalities": "mel,lyrics=bert_tuned,meta", "fusion": "early", "task": "tiers-3"},
    "corn": {
        "modalities": "mel=choi_crnn",
        "fusion": {"name": "early", "head": "corn"},
        "task": "tiers-10",
    },
    "cumulative": {
        "modalities": "mel=hit_cnn,meta=scaled_fields,style",
        "fusion": {"name": "early", "head": "cumulative"},
        "task": "tiers-5",
    },
    "late": {
        "modalities": "mel=mel_fcn,lyrics=use_lyrics,low_level,meta",
        "fusion": "late",
        "task": "tiers-5",
    },
    "gated": {
        "modalities": "mel=mel_crnn,lyrics=lyrics_lstm,meta",
        "fusion": "gated",
        "task": "regression",
        "learned_missing": ("lyrics",),
    },
    "compressed": {
        "modalities": "artist,mel=musicnn,lyrics,essentia,signals",
        "fusion": "compressed",
        "task": "tiers-3",
    },
    "wide_deep": {
        "modalities": "statistics,meta=scaled_fields,topics",
        "fusion": {"name": "wide_deep", "wide": ("meta",), "head": "pairwise"},
        "task": "tiers-3",
    },
    "normalized": {
        "modalities": "cqt,biography,sounds",
        "fusion": "normalized",
        "task": "tiers-5",
    },
    "residual": {
        "modalities": "mel=mel_conv1d,lyrics=lyrics_lstm,mfcc",
        "fusion": {"name": "residual", "sounds": ("mfcc",)},
        "task": "regression",
    },
    "members": {"modalities": "meta=tabular,social", "fusion": "members", "task": "regression"},
    "ordinal members": {
        "modalities": "meta=tabular",
        "fusion": {"name": "members", "head": "cumulative"},
        "task": "tiers-5",
    },
}
"""Every fusion, head and encoder that ships, each at least once."""


@cache
def checkpoint() -> str:
    """A small BERT."""
    folder = tempfile.mkdtemp(prefix="deephits-bert-")
    write_untrained_bert(Path(folder), ["la la la"])
    return folder


def build(name: str) -> tuple[keras.Model, dict[str, Any], str]:
    values = dict(MODELS[name])
    modalities = values.pop("modalities")
    encoders = resolve_modalities(modalities)
    settings = {e.name: SETTINGS[e.name] for e in encoders.values() if e.name in SETTINGS}
    if "bert_tuned" in settings:
        settings["bert_tuned"] = {**settings["bert_tuned"], "checkpoint": checkpoint()}
    encoders = resolve_modalities(modalities, settings)
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(1)
    for encoder in encoders.values():
        encoder.adapt([{**features(encoder, rng), "popularity": rng.uniform(0, 100, TRACKS)}])
    return build_model(list(encoders.values()), **values), encoders, values["task"]


def boosted(model: keras.Model, task: Task) -> keras.Model:
    """The model with trees beside it, fitted to what a random table is for `meta`."""
    vector = tree_vector(model, ("meta",))
    draw = np.random.default_rng(2)
    vectors = draw.normal(size=(300, vector.shape[-1])).astype(np.float32)
    target = vectors[:, :4].sum(axis=1) + draw.normal(0, 0.1, 300)
    classification = task.kind == "classification"
    kind = HistGradientBoostingClassifier if classification else HistGradientBoostingRegressor
    if classification:
        target = pd.qcut(target, task.outputs, labels=False)
    fitted = kind(max_depth=DEPTH, max_leaf_nodes=None, max_iter=20).fit(vectors, target)
    trees = complete_trees(fitted, 20, vectors, ("meta",), task.outputs)
    return with_trees(model, trees, classification=classification)


def features(encoder: Any, rng: np.random.Generator, tracks: int = TRACKS) -> dict[str, Any]:
    """Plausible features of some tracks, with unknown numbers where fields are."""
    found = {}
    for spec in encoder.feature_specs:
        shape = (tracks, *spec.shape)
        if np.issubdtype(np.dtype(spec.dtype), np.integer):
            found[spec.name] = rng.integers(0, 40, shape).astype(spec.dtype)
        elif spec.name == "counts":
            found[spec.name] = rng.poisson(1, shape).astype(spec.dtype)
        elif encoder.modality == "meta":
            values = rng.normal(50, 20, shape).astype(spec.dtype)
            columns = [*encoder.config.columns, *getattr(encoder.config, "categories", ())]
            for place, column in enumerate(columns):
                if column in ("key", "mode"):
                    values[:, place] = rng.integers(-1 if column == "key" else 0, 2, tracks)
            values[rng.random(shape) < 0.3] = np.nan
            found[spec.name] = values
        else:
            found[spec.name] = rng.normal(-0.3, 0.5, shape).astype(spec.dtype)
    return found


def inputs_of(encoders: dict[str, Any], tracks: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    inputs: dict[str, Any] = {}
    for modality, encoder in encoders.items():
        inputs |= {f"{modality}_{name}": v for name, v in features(encoder, rng, tracks).items()}
        inputs[f"{modality}_{PRESENT}"] = rng.random((tracks, 1)) > 0.3
    return {tensor.name: inputs[tensor.name].astype(tensor.dtype) for tensor in tensors(encoders)}


def test_nothing_that_ships_is_left_out() -> None:
    fusions = {get_fusion(model["fusion"]).name for model in MODELS.values()}
    assert fusions == set(FUSIONS)
    heads = {getattr(get_fusion(model["fusion"]), "head", "softmax") for model in MODELS.values()}
    assert heads == set(HEADS)
    used = {e.name for m in MODELS.values() for e in resolve_modalities(m["modalities"]).values()}
    shipped = {r.name for r in registry().registrations if r.distribution == "deephits-keras"}
    assert used == shipped


def parts(inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """A few tracks at a time."""
    tracks = len(next(iter(inputs.values())))
    slices = [slice(start, start + TOGETHER) for start in range(0, tracks, TOGETHER)]
    return [{name: values[rows] for name, values in inputs.items()} for rows in slices]


@dataclass(frozen=True)
class Built:
    """A model, what it is given, and what it says."""

    model: keras.Model
    manifest: Manifest
    task: Task
    inputs: dict[str, Any]
    wanted: np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest) -> Built:
    model, encoders, task = build(request.param)
    if request.param == "early":
        model = with_temperature(model, 2.5)
    if request.param == "members":
        model = boosted(model, get_task(task))
    if request.param == "ordinal members":
        both = [boosted(each, get_task(task)) for each in (model, build(request.param)[0])]
        model = ensemble(both, list(encoders), classification=True)
    inputs = inputs_of(encoders, FEW.get(request.param, TRACKS))
    wanted = np.concatenate([model.predict_on_batch(part) for part in parts(inputs)])
    assert np.isfinite(wanted).all()
    assert wanted.std(axis=0).max() > 1e-4
    described = manifest(get_task(task), tensors(encoders))
    return Built(model, described, get_task(task), inputs, wanted)


def manifest(task: Task, inputs: list[TensorInfo]) -> Manifest:
    """A bundle's manifest, as far as a format reads it; the rest is of another run."""
    run = Run(Path(__file__).parents[1] / "golden" / "run_of_0_1_0" / "run")
    described = Manifest.from_run(
        run.config,
        run.calibration,
        run.encoders,
        kind="",
        graph="",
        weights_licence="",
        unseen_columns={},
    )
    return dataclasses.replace(
        described,
        inputs=tuple(inputs),
        run=dataclasses.replace(described.run, task=task.name),
        output=output_of(task),
    )


SLOW = [(model, "openvino") for model in MODELS if model not in ("early", "members")]
"""Ten seconds each; the paper's model and the default's remain."""


# The graph of `web` is that of `onnx`; tests/export/test_web.py has the page.
@pytest.mark.parametrize(
    ("built", "name"),
    [
        pytest.param(*pair, marks=[pytest.mark.nightly] if pair in SLOW else [])
        for pair in itertools.product(MODELS, [name for name in FORMATS if name != "web"])
    ],
    indirect=["built"],
    scope="module",
)
def test_the_graph_scores_as_the_model(name: str, built: Built, tmp_path: Path) -> None:
    made = FORMATS[name]
    batch = made.write(built.model, tmp_path, built.manifest)
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == {
        *made.files
    }
    recurrent = any(isinstance(each, keras.layers.RNN) for each in built.model._flatten_layers())
    assert batch == (1 if name == "litert" and recurrent else None)
    score = made.open(tmp_path, built.manifest.inputs, built.task.outputs)
    given = np.concatenate([score(part) for part in parts(built.inputs)])
    assert score_difference(built.task, given, built.wanted) <= TOLERANCE
    # The batch is dynamic, and no track's answer depends on the others'.
    one = score({key: values[:1] for key, values in built.inputs.items()})
    assert score_difference(built.task, one, built.wanted[:1]) <= TOLERANCE


@pytest.mark.parametrize("name", ["litert", "onnx", "openvino"])
def test_trees_of_several_outputs_score_as_the_model(name: str, tmp_path: Path) -> None:
    draw, shape = np.random.default_rng(4), (3, 5, 2**DEPTH - 1)
    trees = Trees(
        modalities=("meta",),
        size=6,
        columns=draw.integers(0, 6, shape).astype(np.int32),
        thresholds=draw.normal(size=shape).astype(np.float32),
        widths=np.full(shape, 0.05, np.float32),
        values=draw.normal(0, 0.1, (3, 5, 2**DEPTH)).astype(np.float32),
        start=np.array([-1.1, 1.0, 0.1], np.float32),
    )
    vector = keras.Input((6,), name="vector")
    model = keras.Model({"vector": vector}, SoftTrees(trees)(vector))
    rows = {"vector": draw.normal(size=(TRACKS, 6)).astype(np.float32)}
    task = get_task("tiers-3")
    asked = [TensorInfo("vector", (6,), "float32", "")]
    FORMATS[name].write(model, tmp_path, manifest(task, asked))
    given = FORMATS[name].open(tmp_path, asked, task.outputs)(rows)
    np.testing.assert_allclose(given, model.predict_on_batch(rows), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["litert", "onnx", "openvino"])
def test_a_value_that_most_tracks_have_scores_as_in_the_model(name: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    meters, years = draw.choice([3, 4, 5], 600, p=[0.05, 0.9, 0.05]), draw.integers(1990, 2021, 600)
    fields = np.stack([meters, years], axis=1).astype(np.float32)
    numbers = keras.Input((2,), name="numbers")
    model = keras.Model({"numbers": numbers}, QuantileNormal(fit_quantiles(fields))(numbers))
    rows = {"numbers": fields[:TRACKS]}
    task = get_task("tiers-3")
    asked = [TensorInfo("numbers", (2,), "float32", "")]
    FORMATS[name].write(model, tmp_path, manifest(task, asked))
    given = FORMATS[name].open(tmp_path, asked, 2)(rows)
    np.testing.assert_allclose(given, model.predict_on_batch(rows), rtol=0, atol=2e-6)

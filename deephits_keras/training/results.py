"""Predictions and metrics of a run on held-out tracks, written after the model is selected."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd

from deephits_keras.corpus.groups import groupings
from deephits_keras.corpus.splits import Split, reported_part
from deephits_keras.corpus.table import Corpus
from deephits_keras.evaluation.baselines import baseline_metrics
from deephits_keras.evaluation.calibration import calibrate
from deephits_keras.evaluation.decoding import fit_decoding
from deephits_keras.evaluation.groups import Answers, grouped_metrics
from deephits_keras.evaluation.metrics import Metrics
from deephits_keras.evaluation.warnings import result_warnings
from deephits_keras.features.seen import unseen_notes, unseen_values
from deephits_keras.features.store import FeatureSource
from deephits_keras.features.words import KnownWords
from deephits_keras.recipes.choices import (
    EMPTY,
    LATER,
    LEFT_OUT,
    empty_notes,
    later_notes,
    left_out_notes,
)
from deephits_keras.runs.files import BASELINES, CALIBRATION, HISTORY, METRICS, PREDICTIONS
from deephits_keras.runs.run import Run
from deephits_keras.tasks import Task
from deephits_keras.training.scoring import Scored, score_rows
from deephits_keras.training.warm_start import unseen_by
from deephits_keras.types import FloatArray
from deephits_keras.utils.files import replacing, write_json


def score_parts(
    run: Run,
    model: keras.Model,
    corpus: Corpus,
    stores: Mapping[str, FeatureSource],
) -> dict[str, Scored]:
    """A model's outputs on the run's held-out parts, by part, without temperature."""
    return {
        part: score_rows(model, run.task, stores, corpus, rows)
        for part, rows in run.split.parts.items()
        if part != "train"
    }


def write_results(
    run: Run,
    corpus: Corpus,
    stores: Mapping[str, FeatureSource],
    scored: Mapping[str, Scored],
    *,
    history: pd.DataFrame,
    selection: Mapping[str, Any],
) -> None:
    """Fit calibration and decoding; write them, history, predictions, metrics and baselines.

    Args:
        run: The run.
        corpus: Its corpus.
        stores: The feature store of each modality, or its cache.
        scored: Result of `score_parts`.
        history: One row per epoch.
        selection: Entries of `metrics.json` about the selected checkpoint.
    """
    training = run.config.training
    chosen_on = scored["validation"]
    trained = corpus.popularity[run.split.parts["train"]]
    calibration = calibrate(
        run.plain_task,
        chosen_on.popularity,
        chosen_on.outputs,
        temperature=training.calibrate == "auto",
        coverage=training.coverage,
    )
    decoding = fit_decoding(
        training.decoding,
        run.plain_task,
        calibration.scale(chosen_on.outputs),
        chosen_on.popularity,
        trained,
    )
    calibration = dataclasses.replace(calibration, decoding=decoding)
    task = calibration.task(run.config.task)
    write_json(run.folder / CALIBRATION, calibration)
    with replacing(run.folder / HISTORY) as temporary:
        history.to_csv(temporary, index=False)
    scaled = {
        part: dataclasses.replace(result, task=task, outputs=calibration.scale(result.outputs))
        for part, result in scored.items()
    }
    tables = {part: result.table(corpus, part) for part, result in scaled.items()}
    with replacing(run.folder / PREDICTIONS) as temporary:
        pd.concat(tables.values(), ignore_index=True).to_parquet(temporary, index=False)
    metrics = {part: result.metrics(calibration) for part, result in scaled.items()}
    reported = reported_part(run.split.parts)
    majority = majority_metrics(task, trained, scaled[reported].popularity)
    unseen = unseen_by(run, corpus)
    warnings = result_warnings(
        task,
        scaled[reported].popularity,
        scaled[reported].prediction,
        metrics[reported],
        majority,
        tracks=f"{reported} tracks",
    )
    held_out = np.concatenate([result.rows for result in scored.values()])
    warnings += unseen_notes(unseen_values(unseen, corpus, held_out))
    words = KnownWords(run.config.words)
    warnings += words.notes(words.new_of_corpus(corpus, held_out))
    warnings += left_out_notes(run.config.recipe.get(LEFT_OUT, {}))
    warnings += empty_notes(run.config.recipe.get(EMPTY, {}))
    warnings += later_notes(run.config.recipe.get(LATER, {}))
    if run.config.start:
        warnings += run.config.start.warnings
    write_json(
        run.folder / METRICS,
        {
            **selection,
            "selected_by": training.select,
            **({"decoding": decoding} if task.kind == "classification" else {}),
            "warnings": warnings,
            "parts": metrics,
            "groups": grouped_metrics(
                Answers.from_table(tables[reported], classification=task.kind == "classification"),
                groupings(corpus),
            ),
            "missing": _missing(stores, run.split),
            "unseen_columns": unseen,
        },
    )
    write_json(run.folder / BASELINES, {"majority": majority})


def _missing(stores: Mapping[str, FeatureSource], split: Split) -> dict[str, dict[str, int]]:
    """Number of tracks without an input, by modality and part."""
    return {
        modality: {part: int((~store.present[rows]).sum()) for part, rows in split.parts.items()}
        for modality, store in stores.items()
    }


def majority_metrics(task: Task, trained: FloatArray, scored: FloatArray) -> dict[str, Metrics]:
    """Metrics of the majority baseline, or of the mean for a regression.

    Args:
        task: The task.
        trained: `(n,)` popularity of the training tracks, 0-100.
        scored: `(m,)` popularity of the tracks to score, 0-100.
    """
    nothing = (np.empty((len(popularity), 0)) for popularity in (trained, scored))
    return baseline_metrics(task, next(nothing), trained, next(nothing), scored, kind="majority")

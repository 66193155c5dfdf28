"""Boosted trees beside the network (`TrainingConfig.with_boosting`).

scikit-learn's histogram gradient boosting is fitted to the embeddings that training leaves as they
are, such as those of `tabular`, and the model's prediction is the average of both. The number of
trees is chosen on the validation part, as the network's checkpoint is. The weights are equal unless
others are clearly better there: fitted ones were worse on small tables (docs/accuracy.md).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import PRESENT, input_name
from deephits_keras.features.store import FeatureSource
from deephits_keras.model.builder import trainable_parameters
from deephits_keras.model.trees import DEPTH, MOST_TREES, SoftTrees, Trees, tree_vector
from deephits_keras.pipeline.batches import Batches, dataset
from deephits_keras.pipeline.calls import Settled
from deephits_keras.runs.run import Run
from deephits_keras.training.scoring import BATCH_SIZE, score_rows
from deephits_keras.types import Array, FloatArray, IntArray

RATE, PATIENCE, COLUMNS = 0.05, 40, 0.5
"""Learning rate; trees without a lower validation loss that end the fit; share of the columns that
each condition is chosen from."""

MOST_ROUNDS = 600
"""Most trees per output."""

MANY_TRACKS = 100_000
"""Training tracks from which on trees are fitted by all cores."""

WIDTH = 0.05
"""Softness of a threshold, in standard deviations of its column over the training tracks."""

ALWAYS = 1e9
"""Threshold of a condition that always holds, with a width of 1."""

WEIGHTS, CLEARLY = (0.5, 0.25, 0.75, 0.1, 0.9, 0.0), 2.0
"""Weights of the trees that are tried, in order: the first whose validation loss isn't above the
lowest by more standard errors than this, of the difference on the same tracks, is taken."""

LEAST_SCORE = 1e-6
"""Class score of a tier that no training track has."""


def fit_trees(
    run: Run,
    corpus: Corpus,
    stores: Mapping[str, FeatureSource],
    model: keras.Model,
    weights: FloatArray | None,
) -> Trees | None:
    """Fit boosted trees on the training part of a run.

    Args:
        run: The run.
        corpus: Its corpus.
        stores: The feature store of each modality.
        model: The trained model of `build_model`.
        weights: `(n,)` weights of the training tracks, or None.

    Returns:
        The trees; None if no modality has an embedding without trainable parameters, they predict
        the validation part no better than a constant, or the network is clearly better alone.
    """
    modalities = tuple(m for m in stores if trainable_parameters(model.get_layer(m)) == 0)
    if not modalities:
        return None
    rows, task = run.split.parts, run.task
    vectors = {
        part: _vectors(run, model, modalities, stores, rows[part])
        for part in ("train", "validation")
    }
    targets = {part: task.targets(corpus.popularity[rows[part]]) for part in vectors}
    # Half a second, of each training.
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    known = np.ones(len(targets["validation"]), bool)
    kind: Any = HistGradientBoostingRegressor
    outputs = task.outputs
    if task.kind == "classification":
        kind = HistGradientBoostingClassifier
        # The loss of a tier that no training track has is infinite.
        known = np.isin(targets["validation"], targets["train"])
        if not known.any() or len(np.unique(targets["train"])) < 2:
            return None
    boosted = kind(
        learning_rate=RATE,
        max_iter=min(MOST_ROUNDS, MOST_TREES // outputs),
        max_depth=DEPTH,
        max_leaf_nodes=None,
        max_features=COLUMNS,
        early_stopping=True,
        n_iter_no_change=PATIENCE,
        random_state=run.config.training.seed,
    )
    held_out = {"X_val": vectors["validation"][known], "y_val": targets["validation"][known]}
    with threads_for(len(targets["train"])):
        boosted.fit(vectors["train"], targets["train"], sample_weight=weights, **held_out)
    # The first score is of the constant that fitting starts from.
    rounds = int(np.argmax(boosted.validation_score_))
    if not rounds:
        return None
    trees = complete_trees(boosted, rounds, vectors["train"], modalities, outputs)
    said = np.asarray(keras.ops.convert_to_numpy(SoftTrees(trees)(vectors["validation"])))
    network = score_rows(model, task, stores, corpus, rows["validation"]).outputs
    there = np.any([stores[m].present[rows["validation"]] for m in modalities], axis=0)
    said = np.where(there[:, np.newaxis], said, network)
    weight = choose_weight(network, said, targets["validation"], task.kind == "classification")
    return dataclasses.replace(trees, weight=weight) if weight else None


def threads_for(tracks: int) -> contextlib.AbstractContextManager[object]:
    """Have OpenMP compute with one thread within a block, unless there are many tracks.

    Its threads wait for each other after each of many short loops. On two cores that other
    processes shared, trees of 470 tracks took 70 s with two threads and 2 s with one; of 12,000
    tracks, 10 s and 2 s.

    Args:
        tracks: Number of training tracks.
    """
    if tracks >= MANY_TRACKS:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[object] = threadpool_limits(1, user_api="openmp")
    return limits


def choose_weight(network: Array, trees: Array, targets: Array, classification: bool) -> float:
    """The weight of trees in their average with a network.

    Args:
        network: `(n, outputs)` raw outputs of the network.
        trees: `(n, outputs)` those of the trees.
        targets: `(n,)` tiers, or popularity / 100.
        classification: Whether the outputs are logits.

    Example:
        >>> truth = np.linspace(0, 1, 50)
        >>> good, useless = truth[:, None], np.full((50, 1), 0.5)
        >>> choose_weight(good, useless, truth, classification=False)
        0.0
    """
    if classification:
        picked = [
            softmax(outputs.astype(np.float64), axis=1)[np.arange(len(targets)), targets]
            for outputs in (network, trees)
        ]
        mixed = [(1 - w) * picked[0] + w * picked[1] for w in WEIGHTS]
        losses = -np.log(np.maximum(mixed, np.finfo(np.float64).tiny))
    else:
        mixed = [(1 - w) * network[:, 0] + w * trees[:, 0] for w in WEIGHTS]
        losses = (np.asarray(mixed) - targets) ** 2
    lost = losses - losses[losses.mean(axis=1).argmin()]
    error = lost.std(axis=1) / np.sqrt(len(targets))
    return WEIGHTS[int(np.flatnonzero(lost.mean(axis=1) <= CLEARLY * error)[0])]


def _vectors(
    run: Run,
    model: keras.Model,
    modalities: tuple[str, ...],
    stores: Mapping[str, FeatureSource],
    rows: IntArray,
) -> Array:
    """`(n, size)` float32: what the trees read of some rows."""
    names = [
        input_name(modality, name)
        for modality in modalities
        for name in (PRESENT, *(spec.name for spec in run.encoders[modality].feature_specs))
    ]
    inputs = {name: model.input[name] for name in names}
    reader = keras.Model(inputs, tree_vector(model, modalities))
    own = {modality: stores[modality] for modality in modalities}
    batches = Batches(own, rows, np.zeros(len(rows), np.float32), batch_size=BATCH_SIZE)
    read = reader.predict(dataset(batches), verbose=0, callbacks=[Settled()])
    return np.asarray(read, np.float32)


def complete_trees(
    boosted: Any, rounds: int, vectors: Array, modalities: tuple[str, ...], outputs: int
) -> Trees:
    """scikit-learn's trees as complete, soft ones.

    It has no public way to a tree's conditions; these attributes are those that skl2onnx and
    treelite read.

    Args:
        boosted: A fitted estimator of histogram gradient boosting, without categories and at most
            `DEPTH` deep.
        rounds: Number of its iterations to take.
        vectors: `(n, size)`, what it was fitted to.
        modalities: For `Trees`.
        outputs: Number of raw outputs: tiers, or 1.
    """
    shape = (outputs, rounds, 2**DEPTH - 1)
    columns = np.zeros(shape, np.int32)
    thresholds = np.full(shape, ALWAYS, np.float32)
    values = np.zeros((outputs, rounds, 2**DEPTH), np.float32)
    start, places = _start(boosted, outputs)
    for turn, trees in enumerate(boosted._predictors[:rounds]):
        for tree, place in zip(trees, places, strict=True):
            into = columns[place, turn], thresholds[place, turn], values[place, turn]
            _fill(tree.nodes, 0, 0, 0, *into)
    spreads = vectors.std(axis=0)
    widths = np.where(spreads > 0, WIDTH * spreads, 1.0).astype(np.float32)[columns]
    widths = np.where(thresholds == np.float32(ALWAYS), np.float32(1), widths)
    return Trees(modalities, vectors.shape[1], columns, thresholds, widths, values, start)


def _start(boosted: Any, outputs: int) -> tuple[Array, list[int]]:
    """What fitting starts from, and the output that each tree of a round adds to."""
    baseline = np.asarray(boosted._baseline_prediction, np.float32).reshape(-1)
    classes = getattr(boosted, "classes_", None)
    if classes is None:
        return baseline, [0]
    start = np.full(outputs, np.log(LEAST_SCORE), np.float32)
    places = [int(each) for each in classes]
    if len(places) == 2:
        # One tree per round: the second tier's logit, where the first one's is 0.
        start[places[0]] = 0.0
        places = places[1:]
    start[places] = baseline
    return start, places


def _fill(
    nodes: Array,
    node: int,
    level: int,
    place: int,
    columns: Array,
    thresholds: Array,
    values: Array,
) -> None:
    """Copy a node and those below it to their places in a complete tree.

    Args:
        nodes: scikit-learn's nodes.
        node: The node.
        level: Its distance from the root.
        place: Its place in the level.
        columns: `(2 ** DEPTH - 1,)`, written to.
        thresholds: As `columns`.
        values: `(2 ** DEPTH,)`, written to.
    """
    if nodes[node]["is_leaf"]:
        # Its conditions always hold: the first leaf below is reached.
        values[place * 2 ** (DEPTH - level)] = nodes[node]["value"]
        return
    condition = 2**level - 1 + place
    columns[condition] = nodes[node]["feature_idx"]
    thresholds[condition] = nodes[node]["num_threshold"]
    below = (columns, thresholds, values)
    _fill(nodes, int(nodes[node]["left"]), level + 1, 2 * place, *below)
    _fill(nodes, int(nodes[node]["right"]), level + 1, 2 * place + 1, *below)

"""`train`: from a corpus with extracted features to a finished run folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from deephits_keras.corpus.splits import Split
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.evaluation.metrics import (
    macro_f1_present,
    regression_metrics,
    tier_metrics,
)
from deephits_keras.features.seen import seen_stores
from deephits_keras.features.store import FeatureSource, FeatureStore
from deephits_keras.features.words import training_words
from deephits_keras.model.builder import build_model, describe
from deephits_keras.model.fusion import Fusion, get_fusion
from deephits_keras.model.side_output import with_embedding, without_embedding
from deephits_keras.model.symbolic import symbolic_model
from deephits_keras.model.trees import with_trees
from deephits_keras.pipeline.batches import Batches, dataset, training_features
from deephits_keras.pipeline.cache import Cache, open_cache
from deephits_keras.pipeline.calls import Settled
from deephits_keras.runs.config import EncoderRecord, RunConfig
from deephits_keras.runs.files import (
    ARCHITECTURE,
    CONFIG,
    MODEL,
    SPLIT,
    STATE,
    TREES,
    require_free,
)
from deephits_keras.runs.run import Run
from deephits_keras.runs.start import Start
from deephits_keras.runs.training_config import TRIPLET, TrainingConfig
from deephits_keras.tasks import Task, get_task
from deephits_keras.training import memory
from deephits_keras.training.boosting import fit_trees
from deephits_keras.training.cluster import check_distributable
from deephits_keras.training.ensemble import finish_ensemble, open_member
from deephits_keras.training.listeners import Listeners
from deephits_keras.training.losses import (
    check_loss,
    members_loss,
    training_loss,
    training_targets,
)
from deephits_keras.training.optimizer import make_optimizer, plateau_rate
from deephits_keras.training.results import score_parts, write_results
from deephits_keras.training.scoring import Scored, scorer
from deephits_keras.training.state import TrainingState
from deephits_keras.training.time_limit import Deadline, fit_to_time, time_note
from deephits_keras.training.warm_model import start_model, unfreeze
from deephits_keras.training.warm_start import unseen_by
from deephits_keras.types import FloatArray, IntArray
from deephits_keras.utils.files import remove_leftovers, replacing, write_json
from deephits_keras.utils.global_state import seeded

if TYPE_CHECKING:
    from deephits_keras.training.distribution import Distribution

Report = Callable[[Mapping[str, Any]], None]


def new_run(
    folder: Path,
    corpus: Corpus,
    encoders: Mapping[str, AnyEncoder],
    split: Split,
    *,
    task: str | Task = "tiers-10",
    fusion: str | Mapping[str, Any] | Fusion = "early",
    training: TrainingConfig | None = None,
    command: str = "",
    recipe: Mapping[str, Any] | None = None,
    start: Start | None = None,
) -> Run:
    """Create a run folder that `train` can work on.

    Args:
        folder: The folder; if it exists, it must be empty.
        corpus: The corpus, its features extracted with `encoders`.
        encoders: The encoders by modality.
        split: Rows of each part.
        task: The task.
        fusion: The fusion.
        training: Settings of the training; the paper's by default.
        command: Command line, stored in the configuration.
        recipe: Recipe and overriding settings (`recipes.Choices.record`), stored as well.
        start: The run to start from (`training.warm_start`).

    Raises:
        UserError: if the folder isn't empty, a part of the split is empty, or the model can't be
            built.
    """
    require_free(folder)
    for part in ("train", "validation"):
        if not len(split.parts.get(part, ())):
            raise UserError(f"The split leaves no track in its part {part!r}: use more tracks")
    training = training or TrainingConfig()
    check_loss(training, get_fusion(fusion))
    learned = _learned_missing(corpus, encoders, split, training)
    if start:
        earlier = Run(start.run).config.modalities
        learned |= {m for m, record in earlier.items() if record.learned_missing}
    meeting, wanted = get_fusion(fusion), get_task(task)
    symbolic_model(
        list(encoders.values()), fusion=meeting, task=wanted, learned_missing=sorted(learned)
    )
    config = RunConfig(
        task=wanted.name,
        fusion=meeting.to_json(),
        modalities={
            m: EncoderRecord.from_encoder(e, learned_missing=m in learned)
            for m, e in encoders.items()
        },
        training=training,
        split={
            "kind": split.kind,
            "seed": split.seed,
            **split.settings,
            "sizes": {part: len(rows) for part, rows in split.parts.items()},
        },
        corpus={
            "folder": str(corpus.folder.resolve()),
            "fingerprint": corpus.fingerprint,
            "synthetic": corpus.synthetic,
            "tracks": len(corpus),
            "reading": corpus.reading,
            "words": (
                Run(start.run).config.words
                if start
                else training_words(encoders.values(), corpus, split.parts["train"])
            ),
        },
        command=command,
        recipe=dict(recipe or {}),
        start=start,
        created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )
    split.to_parquet(folder / SPLIT, corpus)
    write_json(folder / CONFIG, config)
    return Run(folder, {m: e.get_config() for m, e in encoders.items()})


def _learned_missing(
    corpus: Corpus, encoders: Mapping[str, AnyEncoder], split: Split, training: TrainingConfig
) -> set[str]:
    if training.learned_missing == "never":
        return set()
    if training.learned_missing == "always" or training.modality_dropout > 0:
        return set(encoders)
    rows = split.parts["train"]
    return {
        modality
        for modality, encoder in encoders.items()
        if not FeatureStore.open(corpus, encoder).present[rows].all()
    }


def train(
    run: Run,
    corpus: Corpus,
    *,
    report: Report | None = None,
    cache: str = "none",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    distribution: Distribution | None = None,
) -> None:
    """Train a run to its end, from the start or from its last finished epoch.

    If interrupted, finished epochs are kept; called again, it continues and gives the same result
    as without an interruption. The members of an ensemble are trained in sequence.

    Args:
        run: An unfinished run of `new_run`.
        corpus: The corpus of the run.
        report: Called with each epoch's metrics, and in an ensemble with the member's name.
        cache: Where features are kept during training: `none` (the store), `memory` or `device`.
            It only affects speed, and may differ when a run is resumed.
        callbacks: Keras callbacks; each member of an ensemble is a separate training.
        distribution: Devices and processes that train together; each process calls this function,
            and only worker 0 writes the run folder.

    Raises:
        UserError: if the corpus isn't the run's or lacks its features, the cache is too small, the
            settings don't support distribution, or callbacks are given with one.
        DeepHitsError: if the loss is not finite, or another worker has stopped.
    """
    run.require(corpus)
    if distribution:
        check_distributable(run.config.training, cache)
        if callbacks:
            raise UserError("Callbacks are for a training by one process")
    if not run.config.members:
        _train_one(run, corpus, report, cache, callbacks, distribution)
        return
    for name in run.config.members:
        member = open_member(run, name)
        if not member.finished:
            told = report and _named(report, name)
            train(member, corpus, report=told, cache=cache, callbacks=callbacks)
    finish_ensemble(run, corpus)


def train_epochs(
    run: Run,
    corpus: Corpus,
    *,
    cache: str = "none",
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingState:
    """Train the epochs of a run of one model as `train` does, and leave it unfinished.

    Nothing is scored but the validation part. `train` then finishes the run without training.

    Returns:
        The state after the last epoch, with the metrics of each.

    Raises:
        UserError: as `train`.
        DeepHitsError: as `train`.
    """
    run.require(corpus)
    return _train_one(run, corpus, None, cache, callbacks, None, finish=False)


def _named(report: Report, member: str) -> Report:
    return lambda metrics: report({"member": member, **metrics})


def _train_one(
    run: Run,
    corpus: Corpus,
    report: Report | None,
    cache: str,
    callbacks: Sequence[keras.callbacks.Callback],
    distribution: Distribution | None,
    *,
    finish: bool = True,
) -> TrainingState:
    started = time.monotonic()
    leads = distribution is None or distribution.worker.leads
    for folder in (run.folder, run.folder / STATE) if leads else ():
        remove_leftovers(folder)
    training = run.config.training
    split = run.split
    unseen = unseen_by(run, corpus)
    stores = seen_stores(corpus, run.encoders, unseen)
    with seeded(training.seed, training.precision):
        held = open_cache(cache, stores, np.concatenate(list(split.parts.values())))
        batches = _training_batches(run, corpus, held.stores, split.parts["train"])
        state = TrainingState.open(run.folder / STATE)
        model = state.load_last(run) or _new_model(run, corpus, stores, split, steps=len(batches))
        fed = held.feed(model)
        if keras.backend.backend() != "tensorflow":
            # Otherwise `fit` reads a batch to build the metrics, which changes the first epoch's
            # order.
            with memory.explained(training.batch_size):
                fed.test_on_batch(*batches[0])
        deadline = Deadline.from_training(training, state.history, started)
        callbacks = [*callbacks, *([deadline] if deadline else [])]
        listeners = Listeners(callbacks, fed, epochs=training.epochs)
        fit = (
            distribution.replicate(model).fit
            if distribution
            else partial(_fit, fed, listeners.hooks)
        )
        score = scorer(fed, run.task, held.stores, corpus, split.parts["validation"])
        to_come = training.epochs - state.finished_epochs
        if deadline and to_come and deadline.left > 0:
            held_out_tracks = sum(len(r) for part, r in split.parts.items() if part != "train")
            with memory.explained(training.batch_size):
                shortened = fit_to_time(
                    model,
                    batches.epoch(state.finished_epochs),
                    lambda some, hooks: _fit(fed, hooks, some),
                    deadline,
                    epochs=to_come,
                    score=score,
                    scored_again=held_out_tracks / len(split.parts["validation"]),
                )
            if shortened:
                # The traced step has the old schedule in it.
                fed.train_function = None
        listeners.begin()
        for epoch in range(state.finished_epochs, training.epochs):
            if state.out_of_patience(training.patience):
                break
            if deadline and state.finished_epochs and deadline.left <= 0:
                break
            if training.schedule == "plateau":
                model.optimizer.learning_rate = plateau_rate(training, state.history)
            began = time.monotonic()
            _reseed(model, training.seed, epoch)
            listeners.begin_epoch(epoch)
            with memory.explained(training.batch_size):
                fitted = fit(batches.epoch(epoch))
            _check_finite(fitted["loss"][0], f"The loss of epoch {epoch + 1}")
            if not leads:
                continue
            held_out = score()
            _check_finite(held_out.outputs, f"A prediction after epoch {epoch + 1}")
            metrics = _epoch_metrics(epoch, fitted, held_out)
            metrics |= {"seconds": time.monotonic() - began}
            state.finish_epoch(model, metrics, select=training.select)
            if report:
                report(metrics)
            if listeners.end_epoch(epoch, metrics):
                break
        listeners.end()
        if leads and finish:
            _finish(run, corpus, held, state, model, fed)
        if distribution:
            distribution.wait()
    return state


def _check_finite(values: Any, what: str) -> None:
    if not np.isfinite(values).all():
        raise DeepHitsError(
            f"{what} is not a finite number: train with a lower --max-learning-rate or in float32"
        )


def _fit(
    model: keras.Model, hooks: Sequence[keras.callbacks.Callback], batches: Batches
) -> dict[str, list[float]]:
    # TensorFlow has its own generators, and would retrace every graph.
    seeded = [_Seeded(batches)] if keras.backend.backend() == "torch" else []
    fitted: dict[str, list[float]] = model.fit(
        dataset(batches), shuffle=False, verbose=0, callbacks=[*seeded, *hooks, Settled()]
    ).history
    return fitted


class _Seeded(keras.callbacks.Callback):  # type: ignore[misc]
    """Seed the global generator that Keras uses for dropout on PyTorch.

    At the first batch, as Keras uses the generator before it in the first epoch of a process, but
    not in later ones.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        sequence = np.random.SeedSequence([batches.seed or 0, batches.epoch_number])
        self.drawn = int(sequence.generate_state(1)[0])

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Seed it."""
        del logs
        if batch == 0:
            keras.utils.set_random_seed(self.drawn)


def _training_batches(
    run: Run, corpus: Corpus, stores: Mapping[str, FeatureSource], rows: IntArray
) -> Batches:
    training, task = run.config.training, run.task
    return Batches(
        stores,
        rows,
        training_targets(task, corpus.popularity[rows], run.fusion),
        batch_size=training.batch_size,
        weights=_weights(run, corpus),
        seed=training.seed,
        modality_dropout=training.modality_dropout,
    )


def _weights(run: Run, corpus: Corpus) -> FloatArray | None:
    """The weights of the training tracks; None if all are equal."""
    weights: FloatArray | None = None
    if run.config.training.class_weights == "balanced" and run.task.kind == "classification":
        from sklearn.utils.class_weight import compute_sample_weight

        targets = run.task.targets(corpus.popularity[run.split.parts["train"]])
        weights = compute_sample_weight("balanced", targets)
    if (own := run.split.weights) is not None:
        weights = own if weights is None else weights * own
    return weights


def _new_model(
    run: Run, corpus: Corpus, stores: Mapping[str, FeatureStore], split: Split, *, steps: int
) -> keras.Model:
    training, start = run.config.training, run.config.start
    for modality, encoder in run.encoders.items():
        if start and modality in start.kept:
            continue
        popularity = corpus.popularity if encoder.needs_popularity else None
        rows = split.parts["train"]
        encoder.adapt(training_features(stores[modality], rows, popularity=popularity))
    if start:
        model = start_model(run, start)
    else:
        learned = [m for m, record in run.config.modalities.items() if record.learned_missing]
        model = build_model(
            list(run.encoders.values()), fusion=run.fusion, task=run.task, learned_missing=learned
        )
    per_member = run.fusion.per_member
    if per_member:
        beside = getattr(model.get_layer("output"), "beside", 0)
        loss = members_loss(run.task, training, run.fusion, beside=beside)
    else:
        loss = training_loss(run.task, training)
    if training.loss == TRIPLET:
        model = with_embedding(model)
    model.compile(
        optimizer=make_optimizer(training, steps=training.epochs * steps),
        loss=loss,
        # In training such models return more than the outputs, which metrics don't support.
        weighted_metrics=[] if per_member or training.loss == TRIPLET else [_metric(run.task)],
        # JAX is XLA; without it Keras runs every operation on its own there.
        jit_compile=training.xla or keras.backend.backend() == "jax",
    )
    # With variables created before the first step, TensorFlow traces once instead of twice.
    model.optimizer.build(model.trainable_variables)
    return model


def _metric(task: Task) -> keras.metrics.Metric:
    """The progress bar of an epoch."""
    if task.kind == "classification":
        return keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    return keras.metrics.MeanAbsoluteError(name="mae")


def _reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Seed an epoch's dropout by the seed and the epoch only.

    A saved model doesn't contain its generators' states, so a resumed run couldn't continue them.
    """
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    seeds = np.random.SeedSequence([seed, epoch]).spawn(len(states))
    for state, drawn in zip(states, seeds, strict=True):
        state.assign(drawn.generate_state(2))


def _epoch_metrics(
    epoch: int, fitted: Mapping[str, list[float]], held_out: Scored
) -> dict[str, Any]:
    prediction, tiers = held_out.prediction, held_out.task.tiers
    true_tiers, predicted_tiers = tiers.of(held_out.popularity), prediction.tiers(tiers)
    # Without the scores, whose metrics take longer than a step and which no epoch keeps.
    main = tier_metrics(true_tiers, predicted_tiers, None, tiers)
    regression = regression_metrics(held_out.popularity, prediction.popularity)
    return {
        "epoch": epoch + 1,
        **{name: float(values[0]) for name, values in fitted.items()},
        "validation_loss": held_out.loss,
        "validation_macro_f1": main["macro_f1"],
        "validation_macro_f1_present": macro_f1_present(true_tiers, predicted_tiers),
        "validation_accuracy": main["accuracy"],
        **{f"validation_{name}": value for name, value in regression.items()},
    }


def _finish(
    run: Run,
    corpus: Corpus,
    held: Cache,
    state: TrainingState,
    trained: keras.Model,
    fed: keras.Model,
) -> None:
    """Score and save the best checkpoint of the trained model, which takes its values."""
    training = run.config.training
    state.restore_best(trained)
    # Its layers without the optimizer.
    model = without_embedding(keras.Model(trained.input, trained.output, name=trained.name))
    unfreeze(model, run)
    history = pd.DataFrame(state.history)
    # Not in the history, which is equal for equal seeds.
    seconds = float(history.pop("seconds").sum()) if "seconds" in history else 0.0
    run.config = dataclasses.replace(run.config, training_seconds=seconds)
    run.write_config()
    architecture = describe(model, run.encoders, fusion=run.fusion, task=run.task)
    whole = model
    if training.with_boosting:
        # Not the cache's: it feeds the whole model alone.
        stores = seen_stores(corpus, run.encoders, unseen_by(run, corpus))
        trees = fit_trees(run, corpus, stores, model, _weights(run, corpus))
        if trees:
            classification = run.task.kind == "classification"
            whole = with_trees(model, trees, classification=classification)
            architecture = dataclasses.replace(architecture, trees=trees.count)
            write_json(run.folder / TREES, trees)
    write_json(run.folder / ARCHITECTURE, architecture)
    # What scored each epoch is traced already, but by XLA it would round in another way than
    # `evaluate` will.
    scoring = held.feed(whole) if training.xla or whole is not model else fed
    write_results(
        run,
        corpus,
        held.stores,
        score_parts(run, scoring, corpus, held.stores),
        history=history,
        selection={"selected_epoch": state.best_epoch, **time_note(training, state)},
    )
    with replacing(run.folder / MODEL) as temporary:
        model.save(temporary)
    run.write_checksums()
    state.remove()

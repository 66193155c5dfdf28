"""`train` and `evaluate`: train a run on a corpus, and compute its metrics.

Whatever can be checked without Keras is checked before Keras is imported, and names before pandas
is, so that mistakes are reported immediately.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.choices import SPLIT_ARGUMENTS, SPLITS_BY_TIME
from deephits_keras.encoders.inputs import fields_read
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.model.fusion import get_fusion
from deephits_keras.recipes import DEFAULT, choose
from deephits_keras.recipes.choices import (
    EMPTY,
    LATER,
    LEFT_OUT,
    Choices,
    empty_notes,
    later_notes,
    left_out_notes,
)
from deephits_keras.recipes.quality import GOOD
from deephits_keras.runs.files import REPORT
from deephits_keras.runs.run import Run
from deephits_keras.runs.start import Start
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import Task, get_task
from deephits_keras.training.warm_start import WarmStart

if TYPE_CHECKING:
    import keras

    from deephits_keras.corpus.splits import Split
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.evaluation.groups import Grouping
    from deephits_keras.training.distribution import Distribution
    from deephits_keras.types import FloatArray

Report = Callable[[Mapping[str, Any]], None]

TEST = "test"
"""The split's own test tracks, as those to weight for."""


@dataclass(frozen=True)
class TrainingPlan:
    """A training, checked as far as possible without Keras.

    Attributes:
        corpus: The corpus.
        folder: Folder of the run.
        encoders: Encoders by modality.
        split: Rows of each part.
        task: The task.
        choices: The recipe with overriding settings, including the seed.
        command: Command line, stored in the configuration.
        start: The run that the training starts from.
        later: Columns that are only known after the release, by modality, of a split by time.
        weights_for: Tracks for which training tracks are weighted: a corpus, or `test`.
        left_out: Modalities that no track of the corpus has, each with the reason.
        empty: The same of those that were asked for, which are part of the model all the same.
        told: What else to know, one sentence each: of files beside the corpus, and of the run that
            the training starts from.
    """

    corpus: Corpus
    folder: Path
    encoders: Mapping[str, AnyEncoder]
    split: Split
    task: Task
    choices: Choices
    command: str = ""
    start: Start | None = None
    later: Mapping[str, Sequence[str]] = field(default_factory=dict)
    weights_for: Corpus | str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    empty: Mapping[str, str] = field(default_factory=dict)
    told: Sequence[str] = ()

    @property
    def weights_name(self) -> str | None:
        """Name of the tracks for which training tracks are weighted."""
        target = self.weights_for
        return target if target is None or isinstance(target, str) else str(target.folder.resolve())

    @property
    def record(self) -> dict[str, Any]:
        """The recipe as the run stores it: with what is left out or empty, and what comes later."""
        own = {LEFT_OUT: dict(self.left_out), EMPTY: dict(self.empty), LATER: dict(self.later)}
        return {**self.choices.record, **{name: of for name, of in own.items() if of}}

    @property
    def notes(self) -> list[str]:
        """Modalities that are left out, and what held-out tracks may share with training tracks."""
        from deephits_keras.corpus.apart import split_notes

        started = self.start.warnings if self.start else []
        return [
            *left_out_notes(self.left_out),
            *empty_notes(self.empty),
            *later_notes(self.later),
            *self.told,
            *split_notes(self.corpus, self.split),
            *started,
        ]

    def begin(self, *, jobs: int = -1, engine: str = "local", scheduler: str | None = None) -> Run:
        """Extract missing features and create the run's folder; see `train`."""
        import numpy as np

        from deephits_keras.features.engines import engine as on_engine
        from deephits_keras.features.extraction import extract_features
        from deephits_keras.training.importance import weighted
        from deephits_keras.training.trainer import new_run

        target = self.corpus if isinstance(self.weights_for, str) else self.weights_for
        with on_engine(engine, scheduler):
            for encoder in self.encoders.values():
                for corpus in {id(c): c for c in (self.corpus, target) if c is not None}.values():
                    extract_features(corpus, encoder, jobs=jobs)
        split = self.split
        if target is not None:
            rows = split.parts["test"] if target is self.corpus else np.arange(len(target))
            name = self.weights_name or ""
            split = weighted(split, self.corpus, self.encoders, target, rows, name=name)
        return new_run(
            self.folder,
            self.corpus,
            self.encoders,
            split,
            task=self.task,
            fusion=self.choices.fusion,
            training=self.choices.training,
            recipe=self.record,
            command=self.command,
            start=self.start,
        )


def plan_training(
    corpus: str | Path | Corpus,
    run: str | Path,
    *,
    recipe: str = DEFAULT,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    fusion: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainingConfig | None = None,
    task: str | None = None,
    quality: str = GOOD,
    seed: int = 0,
    split: Mapping[str, Any] | None = None,
    start_from: str | Path | Run | None = None,
    freeze: str | Sequence[str] = (),
    allow_seen_tracks: bool = False,
    allow_later: bool = False,
    weights_for: str | Path | Corpus | None = None,
    command: str = "",
) -> TrainingPlan:
    """Check a training without importing Keras; see `train` for the arguments and errors."""
    if isinstance(training, TrainingConfig):
        training = dataclasses.asdict(training)
    asked_seeds = {seed, (training or {}).get("seed", 0)} - {0}
    if len(asked_seeds) > 1:
        raise UserError(f"Two seeds are asked for: {min(asked_seeds)} and {max(asked_seeds)}")
    seed = next(iter(asked_seeds), 0)
    if start_from is None and (freeze or allow_seen_tracks):
        raise UserError("--freeze and --allow-seen-tracks are for a training --from RUN")
    asked_choices: dict[str, Any] = {
        "modalities": modalities,
        "fusion": fusion,
        "training": training,
        "task": task,
        "quality": quality,
    }
    if start_from is None:
        warm = None
        chosen = choose(recipe, settings=settings, **asked_choices)
    else:
        warm = WarmStart.open(
            start_from, freeze=freeze, settings=settings, allow_seen=allow_seen_tracks
        )
        chosen = warm.choices(recipe=recipe, **asked_choices)
    chosen = dataclasses.replace(chosen, training=dataclasses.replace(chosen.training, seed=seed))
    wanted, folder = get_task(chosen.task), Path(run)
    chosen.check_modalities()
    from deephits_keras.corpus.splits import make_split
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.features.extraction import without_inputs
    from deephits_keras.features.matching import match_files

    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    encoders, absent = (warm.run.encoders, {}) if warm else chosen.select(opened)
    empty = without_inputs(opened, encoders)
    if len(empty) == len(encoders):
        reasons = "; ".join(f"{modality}: {reason}" for modality, reason in empty.items())
        raise UserError(f"There is nothing to train on. {reasons}")
    classification = wanted.kind == "classification"
    get_fusion(chosen.fusion).check(list(encoders), classification=classification)
    asked = {"kind": "random", **(split or {})}
    if unknown := set(asked) - {"kind", *SPLIT_ARGUMENTS}:
        raise UserError(
            f"A split has no {', '.join(sorted(unknown))}. It has: kind, "
            f"{', '.join(SPLIT_ARGUMENTS)}"
        )
    kind = asked.pop("kind")
    later = _later(opened, encoders) if kind in SPLITS_BY_TIME else {}
    if later and not allow_later:
        raise UserError(_refusal(later, encoders, settings or {}))
    rows = make_split(kind, opened, seed=seed, tiers=wanted.tiers, **asked)
    training_tracks = len(rows.parts["train"])
    chosen = dataclasses.replace(chosen, training=chosen.training_on(training_tracks))
    start = warm.record(opened, rows) if warm else None
    target = _target(weights_for, rows)
    told = (*match_files(opened, encoders), *(warm.notes(chosen.training) if warm else ()))
    return TrainingPlan(
        opened,
        folder,
        encoders,
        rows,
        wanted,
        chosen,
        command,
        start,
        later,
        target,
        absent,
        empty,
        told,
    )


def _later(corpus: Corpus, encoders: Mapping[str, AnyEncoder]) -> dict[str, list[str]]:
    """Columns that are only known after the release, by the modality that reads them."""
    read = {m: sorted(fields_read(encoder) & set(corpus.later)) for m, encoder in encoders.items()}
    return {modality: names for modality, names in read.items() if names}


def _refusal(
    later: Mapping[str, Sequence[str]],
    encoders: Mapping[str, AnyEncoder],
    settings: Mapping[str, Mapping[str, Any]],
) -> str:
    told = [
        f"{encoders[modality].name} ({modality}) reads {', '.join(names)}"
        for modality, names in later.items()
    ]
    without = []
    for modality, encoder in encoders.items():
        # Not by `vars`, which has no settings that weren't given.
        for setting in dataclasses.fields(encoder.config):
            name, value = setting.name, getattr(encoder.config, setting.name)
            if not isinstance(value, tuple) or not set(value) & set(later.get(modality, ())):
                continue
            # By the option that was given: --meta-columns or --tabular-columns.
            owner = modality if name in settings.get(modality, {}) else encoder.name
            if kept := ",".join(str(each) for each in value if each not in later[modality]):
                without.append(f"--{f'{owner}-{name}'.replace('_', '-')} {kept}")
    ways = [f"Train without: {' '.join(without)}"] if without else []
    return (
        f"{'; '.join(told)}, which this corpus says is only known after a song's release: a split "
        f"by time would show what can't be known. {'. '.join([*ways, 'Or add --allow-later'])}"
    )


def _target(asked: str | Path | Corpus | None, split: Split) -> Corpus | str | None:
    """Tracks for which training tracks are weighted."""
    if asked == TEST:
        if not len(split.parts.get("test", ())):
            raise UserError(
                f"--weights-for {TEST} needs a split with test tracks, as by --test 0.2"
            )
        return TEST
    if not isinstance(asked, str | Path):
        return asked
    from deephits_keras.corpus.table import Corpus

    return Corpus.open(Path(asked))


def train(
    corpus: str | Path | Corpus,
    run: str | Path,
    *,
    recipe: str = DEFAULT,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    fusion: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainingConfig | None = None,
    task: str | None = None,
    quality: str = GOOD,
    seed: int = 0,
    split: Mapping[str, Any] | None = None,
    start_from: str | Path | Run | None = None,
    freeze: str | Sequence[str] = (),
    allow_seen_tracks: bool = False,
    allow_later: bool = False,
    weights_for: str | Path | Corpus | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    cache: str = "none",
    jobs: int = -1,
    engine: str = "local",
    scheduler: str | None = None,
    report: Report | None = None,
) -> Run:
    """Train a model on a corpus, as `deephits train` does, and write the same folder.

    Features that aren't extracted yet are extracted first.

    Args:
        corpus: The corpus, or its folder.
        run: The folder to create.
        recipe: Name of the recipe; the other arguments override it.
        modalities: `"mel,lyrics=my_encoder,meta"`; by default those of the recipe, without those
            that no track of the corpus has.
        settings: Settings of encoders, by modality or encoder.
        fusion: `name` and settings of the fusion.
        training: Fields of `TrainingConfig`, for example `{"epochs": 5}`; the others are set by
            the recipe. Or a `TrainingConfig`, which overrides all of them. `{"time_limit": 10}`
            ends the training after ten minutes.
        task: `regression`, `tiers-3`, `tiers-5` or `tiers-10`.
        quality: `fast` (a quarter of the recipe's epochs), `good` (the recipe as it is) or `best`
            (the mean of five models); `training` overrides it.
        seed: Random seed of the split and the training.
        split: `kind` and further arguments of `corpus.make_split`; the paper's random one of 80
            and 20 percent by default.
        start_from: A finished run whose model is trained further. Its modalities, settings, fusion
            and task are kept, so other ones are an error; `training` overrides its own.
        freeze: With `start_from`: modalities whose branches aren't trained.
        allow_seen_tracks: With `start_from`: whether held-out tracks may be training tracks of that
            run; the report then says how many.
        allow_later: Whether, with a split by time, the model may read columns that the corpus says
            are only known after a song's release; the report then says so.
        weights_for: Another corpus, or `test` for the split's test part: training tracks that
            resemble its tracks count more (`training.importance`). Its popularity isn't used.
        callbacks: Keras callbacks. At the end of an epoch they get its metrics: `loss`,
            `val_loss`, `val_macro_f1`, `val_accuracy`, `seconds`. One that sets
            `model.stop_training` ends the training after the epoch.
        cache: Where features are kept during training: `none`, `memory` or `device`.
        jobs: Number of worker processes of the extraction; -1: one per core.
        engine: Engine of the extraction: `local`, `dask` or `ray`.
        scheduler: Address of the cluster's scheduler.
        report: Called with each epoch's metrics.

    Returns:
        The finished run.

    Raises:
        UserError: if an argument is invalid, the folder isn't empty, or the run to start from has
            another model or was trained on held-out tracks.
        DeepHitsError: if the loss is not finite, or memory runs out.

    Example:
        >>> import deephits_keras as dh
        >>> run = dh.train("corpus", "run", training={"epochs": 5})  # doctest: +SKIP
        >>> run.metrics["parts"]["validation"]["tiers-10"]["macro_f1"]  # doctest: +SKIP
        0.31
    """
    plan = plan_training(
        corpus,
        run,
        recipe=recipe,
        modalities=modalities,
        settings=settings,
        fusion=fusion,
        training=training,
        task=task,
        quality=quality,
        seed=seed,
        split=split,
        start_from=start_from,
        freeze=freeze,
        allow_seen_tracks=allow_seen_tracks,
        allow_later=allow_later,
        weights_for=weights_for,
    )
    begun = plan.begin(jobs=jobs, engine=engine, scheduler=scheduler)
    return finish(begun, plan.corpus, report=report, cache=cache, callbacks=callbacks)


def finish(
    run: Run,
    corpus: Corpus,
    *,
    report: Report | None = None,
    cache: str = "none",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    distribution: Distribution | None = None,
) -> Run:
    """Train a run to its end and write its report; see `trainer.train`.

    Returns:
        The finished run; for workers other than 0, the run in its current state.
    """
    from deephits_keras.report.run_report import write_report
    from deephits_keras.training import trainer

    if not run.finished:
        trainer.train(
            run,
            corpus,
            report=report,
            cache=cache,
            callbacks=callbacks,
            distribution=distribution,
        )
    if distribution and not distribution.worker.leads:
        return run
    write_report(run.folder)
    return Run(run.folder, run.settings)


def resumable(folder: str | Path) -> Run:
    """An unfinished run.

    Raises:
        UserError: if there is none, or it is finished.
    """
    run = Run(folder)
    if run.finished and (run.folder / REPORT).exists():
        raise UserError(f"{folder} is finished: there is nothing to resume")
    return run


def evaluate(
    run: str | Path | Run,
    *,
    corpus: str | Path | Corpus | None = None,
    part: str | None = None,
    jobs: int = -1,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    by: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Compute the metrics of a run (paper, Section 2.2.3), as `deephits evaluate` does.

    Args:
        run: A finished run, or its folder.
        corpus: Another corpus, of which all tracks are scored.
        part: Part of the run's split; by default every held-out part.
        jobs: Number of worker processes of the extraction, for another corpus.
        settings: Encoder settings that override the run's, if `run` is a folder.
        by: `decade`, `genre`, `language`, `market` or other columns, whose groups are evaluated
            too.

    Returns:
        The result of `evaluation.metrics.evaluate` by part (`all` for another corpus); with `by`,
        each part has `groups` as well: an `evaluation.groups.Grouping` by name, None without a
        value in any of its tracks.

    Raises:
        UserError: if the run isn't finished, its corpus has changed, or it has no such part or
            column.

    Example:
        >>> import deephits_keras as dh
        >>> dh.evaluate("run")["validation"]["tiers-10"]["accuracy"]  # doctest: +SKIP
        0.42
    """
    found = evaluation(run, corpus=corpus, part=part, jobs=jobs, settings=settings, by=by)
    if not by:
        return found.parts
    return {
        name: {**of_part, "groups": {kind: found.groups[name].get(kind) for kind in by}}
        for name, of_part in found.parts.items()
    }


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a run, and what to know before they are believed.

    Attributes:
        parts: Metrics by part, as `evaluate` returns them.
        groups: Metrics of groups of tracks, by part and kind of group.
        warnings: One sentence each; see `evaluation.warnings.result_warnings`.
    """

    parts: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Grouping]]
    warnings: list[str]


def evaluation(
    run: str | Path | Run,
    *,
    corpus: str | Path | Corpus | None = None,
    part: str | None = None,
    jobs: int = -1,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    by: Sequence[str] = (),
) -> Evaluation:
    """Compute the metrics of a run together with their warnings; see `evaluate`.

    Another corpus is compared with the baseline only if the run's own corpus is still there.
    Groups are decades, genres, languages and markets, as far as the corpus tells them, and those of
    the columns `by`.
    """
    opened, tracks, parts = rows_to_score(run, corpus=corpus, part=part, settings=settings)
    from deephits_keras.corpus.groups import groupings

    grouped = groupings(tracks, tuple(by))
    import numpy as np

    from deephits_keras.evaluation.groups import Answers, grouped_metrics
    from deephits_keras.evaluation.warnings import result_warnings
    from deephits_keras.features.extraction import extract_features
    from deephits_keras.features.seen import seen_stores, unseen_notes, unseen_values
    from deephits_keras.features.words import KnownWords
    from deephits_keras.training.results import majority_metrics
    from deephits_keras.training.scoring import score_rows

    if corpus is not None:
        for encoder in opened.encoders.values():
            extract_features(tracks, encoder, jobs=jobs)
    stores = seen_stores(tracks, opened.encoders, opened.unseen_columns)
    trained = _training_popularity(opened)
    metrics: dict[str, dict[str, Any]] = {}
    groups: dict[str, dict[str, Grouping]] = {}
    warnings: list[str] = []
    classification = opened.task.kind == "classification"
    for name, rows in parts.items():
        scored = score_rows(opened.model, opened.task, stores, tracks, rows)
        metrics[name] = scored.metrics(opened.calibration)
        answers = Answers.from_table(scored.table(tracks, name), classification=classification)
        groups[name] = grouped_metrics(answers, grouped)
        baseline = (
            None if trained is None else majority_metrics(opened.task, trained, scored.popularity)
        )
        warnings += result_warnings(
            opened.task,
            scored.popularity,
            scored.prediction,
            metrics[name],
            baseline,
            tracks="tracks" if corpus is not None else f"{name} tracks",
        )
    scored_rows = np.concatenate([np.asarray(rows) for rows in parts.values()])
    warnings += unseen_notes(unseen_values(opened.unseen_columns, tracks, scored_rows))
    words = KnownWords(opened.config.words)
    warnings += words.notes(words.new_of_corpus(tracks, scored_rows))
    if opened.config.start and corpus is None:
        warnings += opened.config.start.warnings
    return Evaluation(metrics, groups, warnings)


def _training_popularity(run: Run) -> FloatArray | None:
    """Popularity of a run's training tracks; None if its corpus is gone or has changed."""
    try:
        return run.require().popularity[run.split.parts["train"]]
    except UserError:
        return None


def rows_to_score(
    run: str | Path | Run,
    *,
    corpus: str | Path | Corpus | None = None,
    part: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Run, Corpus, dict[str, Any]]:
    """The run, corpus and rows by part for `evaluate`, determined without Keras."""
    opened = run if isinstance(run, Run) else Run(run, settings)
    if corpus is not None:
        from deephits_keras.corpus.table import Corpus

        if part:
            raise UserError("--part is a part of the run's own corpus: leave out --corpus")
        tracks = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
        return opened, tracks, {"all": range(len(tracks))}
    tracks = opened.require()
    parts = dict(opened.split.parts)
    if part:
        opened.require_part(part)
    wanted = {part} if part else set(parts) - {"train"}
    return opened, tracks, {name: rows for name, rows in parts.items() if name in wanted}

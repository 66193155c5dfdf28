"""`deephits train`: from a corpus to a run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.choices import CACHES, DECODINGS, SPLITS
from deephits_keras.cli.common import (
    CORPUS,
    PATH,
    Command,
    EncoderCommand,
    engine_options,
    fusion_options,
    get_fusion_settings,
    import_keras,
    jobs_option,
    json_option,
    modalities_option,
    print_json,
    seed_option,
)
from deephits_keras.errors import UserError
from deephits_keras.recipes import DEFAULT
from deephits_keras.runs.files import REPORT
from deephits_keras.runs.training_config import (
    ANNEALS,
    CALIBRATIONS,
    CLASS_WEIGHTS,
    LOSSES,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    SELECTORS,
    TrainingConfig,
)

if TYPE_CHECKING:
    from deephits_keras.training.distribution import Distribution

RECIPES = "set by the recipe"


def training_option(
    name: str, help: str, choices: tuple[str, ...] = ()
) -> Callable[[Command], Command]:
    """An option named after a field of `TrainingConfig`, None where it isn't given."""
    kind: Any = click.Choice(choices) if choices else type(getattr(TrainingConfig, name))
    return click.option(f"--{name.replace('_', '-')}", show_default=RECIPES, type=kind, help=help)


@click.command(cls=EncoderCommand)
@click.argument("corpus", type=CORPUS)
@click.argument("run", type=PATH)
@click.option(
    "--recipe",
    default=DEFAULT,
    show_default=True,
    help="System to train, by name (see `deephits recipes list`). Options given here override it.",
)
@modalities_option
@fusion_options
@click.option(
    "--split",
    default="random",
    show_default=True,
    type=click.Choice(SPLITS),
    help="How tracks are divided into training, validation and test; the paper uses random.",
)
@click.option(
    "--validation", default=0.2, show_default=True, help="Fraction of tracks for validation."
)
@click.option("--test", default=0.0, show_default=True, help="Fraction of tracks for the test.")
@click.option(
    "--fold", type=int, help="With --split kfold: index of the fold that is held out, from 0."
)
@click.option("--folds", default=5, show_default=True, help="With --split kfold: number of folds.")
@click.option("--origin", type=int, help="With --split rolling: first test year.")
@click.option(
    "--horizon", default=5, show_default=True, help="With --split rolling: number of test years."
)
@click.option("--by", metavar="COLUMN", help="With --split group: column that defines the groups.")
@click.option(
    "--held-out",
    metavar="VALUE",
    help="With --split group: value of --by whose tracks are held out.",
)
@training_option("epochs", "Number of passes over the training tracks.")
@training_option("batch_size", "Tracks per step.")
@training_option("optimizer", "Optimizer; adam follows PyTorch, with coupled L2.", OPTIMIZERS)
@training_option("schedule", "Learning rate schedule.", SCHEDULES)
@training_option(
    "max_learning_rate", "Peak learning rate of onecycle; initial learning rate of other schedules."
)
@training_option("anneal", "Shape of the rise and fall of onecycle.", ANNEALS)
@training_option(
    "l2", "Factor of coupled L2 regularisation (adam), or decoupled weight decay (adamw)."
)
@training_option("patience", "Stop after this many epochs without a better checkpoint; 0: never.")
@training_option(
    "modality_dropout", "Probability with which each modality of a training track is hidden."
)
@training_option(
    "loss", "Training loss; focal and cost are for tiers, rank for regression.", LOSSES
)
@training_option("focal_gamma", "Focusing parameter of the focal loss; 0 gives cross-entropy.")
@training_option(
    "rank_weight",
    "With --loss rank: weight of the pairwise ranking term added to the squared error.",
)
@training_option(
    "class_weights",
    "balanced: weight tracks by the inverse frequency of their tier.",
    CLASS_WEIGHTS,
)
@training_option("select", "Validation metric that selects the checkpoint.", SELECTORS)
@training_option("precision", "Floating-point precision.", PRECISIONS)
@training_option(
    "calibrate",
    "auto: scale class scores by a fitted temperature if that lowers the calibration error.",
    CALIBRATIONS,
)
@training_option(
    "decoding",
    "Choice of the tier: likeliest (largest score), macro-f1 (rare tiers favoured), or distance "
    "(least expected distance).",
    DECODINGS,
)
@training_option(
    "ensemble", "Number of models to train and average, with seeds --seed, --seed + 1, ..."
)
@training_option(
    "coverage", "Probability that a predicted tier set or interval contains the truth; 0: no sets."
)
@click.option("--dropout", type=float, show_default=RECIPES, help="Dropout rate after the fusion.")
@click.option(
    "--xla/--no-xla", default=None, show_default=RECIPES, help="Compile the training step with XLA."
)
@click.option(
    "--cache",
    default="none",
    show_default=True,
    type=click.Choice(CACHES),
    help="Where features are kept during training: none (read from disk), memory or device.",
)
@click.option(
    "--distribute",
    is_flag=True,
    help="Train on all GPUs of this machine; if TF_CONFIG is set, on all its workers.",
)
@jobs_option
@engine_options
@seed_option
@click.option("--resume", is_flag=True, help="Continue the unfinished run in RUN.")
@json_option
def train(
    corpus: Path,
    run: Path,
    recipe: str,
    modalities: str | None,
    fusion: str | None,
    fusion_weights: str | None,
    head: str | None,
    task: str | None,
    split: str,
    validation: float,
    test: float,
    fold: int | None,
    folds: int,
    origin: int | None,
    horizon: int,
    by: str | None,
    held_out: str | None,
    dropout: float | None,
    cache: str,
    distribute: bool,
    jobs: int,
    engine: str,
    scheduler: str | None,
    seed: int,
    resume: bool,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
    **training: Any,
) -> None:
    """Train a model on CORPUS and write the model, its metrics and a report to the folder RUN.

    Features that aren't extracted yet are extracted first. The recipe sets every option that is
    not given here; RUN/config.json records both. --resume continues an interrupted run and gives
    the same result as an uninterrupted one.

    \b
    Example:
      deephits train corpus run --modalities mel,lyrics,meta --task tiers-3
      deephits train corpus run --recipe paper --epochs 10
      deephits train corpus run --resume
    """
    from deephits_keras.runs.run import Run
    from deephits_keras.training.workflow import finish, plan_training, resumable

    asked = {name: value for name, value in training.items() if value is not None}
    meeting = get_fusion_settings(fusion, fusion_weights, head, dropout)
    if resume:
        _refuse_changes(click.get_current_context(), settings)
        current = resumable(run)
        from deephits_keras.corpus.table import Corpus

        opened = Corpus.open(corpus)
        config = current.config.training
    else:
        plan = plan_training(
            corpus,
            run,
            recipe=recipe,
            modalities=modalities,
            settings=settings,
            fusion=meeting,
            training=asked,
            task=task,
            seed=seed,
            split={
                "kind": split,
                "validation": validation,
                "test": test,
                "fold": fold,
                "folds": folds,
                "origin": origin,
                "horizon": horizon,
                "by": by,
                "held_out": held_out,
            },
            command=shlex.join(["deephits", *sys.argv[1:]]),
        )
        opened, config = plan.corpus, plan.choices.training
        for note in plan.notes:
            click.echo(f"note: {note}", err=True)

    distribution = _start_distribution(config, cache) if distribute else import_keras()
    if distribution and not distribution.worker.leads:
        distribution.wait()
        current = Run(run)
    elif not resume:
        current = plan.begin(jobs=jobs, engine=engine, scheduler=scheduler)

    if distribution and distribution.worker.leads:
        distribution.wait()

    def show(metrics: Any) -> None:
        member = f"{metrics['member']}  " if "member" in metrics else ""
        click.echo(
            f"{member}epoch {metrics['epoch']:>3} of {current.config.training.epochs}"
            f"  loss {metrics['loss']:.4f}"
            f"  validation loss {metrics['validation_loss']:.4f}"
            f"  macro-F1 {metrics['validation_macro_f1']:.4f}"
            f"  accuracy {metrics['validation_accuracy']:.4f}"
            f"  {metrics['seconds']:.1f} s",
            err=as_json,
        )

    done = finish(current, opened, report=show, cache=cache, distribution=distribution)
    if distribution and not distribution.worker.leads:
        click.echo(f"Done: worker 0 writes {run}", err=as_json)
        return
    metrics = done.metrics
    if as_json:
        print_json({"run": str(run), **metrics})
        return
    for modality, columns in metrics.get("unseen_columns", {}).items():
        click.echo(f"Columns that training never saw ({modality}): {', '.join(columns)}")
    epochs = metrics.get("members") or {"": metrics["selected_epoch"]}
    kept = ", ".join(map(str, epochs.values()))
    click.echo(f"Kept epoch{'s' * (len(epochs) > 1)} {kept}. Report: {run / REPORT}")
    for warning in metrics.get("warnings", []):
        click.echo(f"warning: {warning}")


def _start_distribution(config: TrainingConfig, cache: str) -> Distribution:
    from deephits_keras.training.cluster import Worker, check_distributable

    check_distributable(config, cache)
    worker = Worker.from_environment()
    if worker.count > 1:
        click.echo(
            f"worker {worker.index} of {worker.count}: waiting for the other workers", err=True
        )

    def start() -> Distribution:
        from deephits_keras.training.distribution import Distribution

        return Distribution.start(worker)

    return import_keras(start)


def _refuse_changes(context: click.Context, settings: dict[str, dict[str, Any]]) -> None:
    """Refuse options that --resume would ignore: a resumed run keeps its own settings."""
    free = {"corpus", "run", "resume", "cache", "distribute", "jobs", "as_json"}
    changed = [
        name
        for name in context.params
        if name not in free
        and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if changed or settings:
        names = ", ".join([*(f"--{c.replace('_', '-')}" for c in changed), *settings])
        raise UserError(f"--resume uses the settings of the run; remove {names}")

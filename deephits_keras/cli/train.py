"""`deephits train`: from a corpus to a run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.cli.common import (
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

DEFAULTS = TrainingConfig()
RECIPES = "the recipe's"


def training_option(
    name: str, help: str, choices: tuple[str, ...] = ()
) -> Callable[[Command], Command]:
    """An option named after a field of `TrainingConfig`, None where it isn't given."""
    kind: Any = click.Choice(choices) if choices else type(getattr(DEFAULTS, name))
    return click.option(f"--{name.replace('_', '-')}", show_default=RECIPES, type=kind, help=help)


@click.command(cls=EncoderCommand)
@click.argument("corpus", type=PATH)
@click.argument("run", type=PATH)
@click.option(
    "--recipe",
    default=DEFAULT,
    show_default=True,
    help="Whose system to train; `deephits recipes list` names them. Other options win over it.",
)
@modalities_option
@fusion_options
@click.option(
    "--split",
    default="random",
    show_default=True,
    type=click.Choice(["random", "stratified", "artist", "date", "kfold", "rolling", "group"]),
    help="How tracks are held out; random is the paper's.",
)
@click.option("--validation", default=0.2, show_default=True, help="Share of validation tracks.")
@click.option("--test", default=0.0, show_default=True, help="Share of test tracks.")
@click.option("--fold", type=int, help="Which fold is held out, from 0, with --split kfold.")
@click.option("--folds", default=5, show_default=True, help="Number of folds.")
@click.option("--origin", type=int, help="First year that is tested, with --split rolling.")
@click.option(
    "--horizon", default=5, show_default=True, help="Years that are tested, with --split rolling."
)
@click.option("--by", metavar="COLUMN", help="Whose value is left out, with --split group.")
@click.option("--held-out", metavar="VALUE", help="The value that is left out, with --split group.")
@training_option("epochs", "Passes over the training tracks.")
@training_option("batch_size", "Tracks a step.")
@training_option("optimizer", "What steps.", OPTIMIZERS)
@training_option("schedule", "How the learning rate goes.", SCHEDULES)
@training_option("max_learning_rate", "Peak of the OneCycle schedule, or the rate without one.")
@training_option("anneal", "How the learning rate rises and falls.", ANNEALS)
@training_option("l2", "Coupled L2 on every trainable parameter.")
@training_option("patience", "Epochs without a better checkpoint to stop after; 0 for never.")
@training_option("modality_dropout", "Probability of hiding each modality of a training track.")
@training_option(
    "loss", "What training minimises; focal, cost: of tiers; rank: regression.", LOSSES
)
@training_option("focal_gamma", "How fast the focal loss fades for tracks that are right.")
@training_option("rank_weight", "What the order of pairs counts beside the squared error.")
@training_option("class_weights", "Weight tracks by the rarity of their tier.", CLASS_WEIGHTS)
@training_option("select", "What the kept checkpoint is the best in.", SELECTORS)
@training_option("precision", "Numbers to compute in.", PRECISIONS)
@training_option("calibrate", "Temperature of the class scores; auto if it helps.", CALIBRATIONS)
@training_option("ensemble", "Models to train and average: seeds --seed, --seed + 1, ...")
@training_option("coverage", "Share of songs that tier sets are to cover; 0 for no sets.")
@click.option("--dropout", type=float, show_default=RECIPES, help="Dropout after the fusion.")
@click.option(
    "--xla/--no-xla", default=None, show_default=RECIPES, help="Compile the step with XLA."
)
@click.option(
    "--cache",
    default="none",
    show_default=True,
    type=click.Choice(["none", "memory", "device"]),
    help="Where features are meanwhile: in the store, in memory, or on the device.",
)
@click.option(
    "--distribute",
    is_flag=True,
    help="Train on every GPU of this machine and, if TF_CONFIG is set, with the other workers.",
)
@jobs_option
@engine_options
@seed_option
@click.option("--resume", is_flag=True, help="Go on with the unfinished run in RUN.")
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
    """Train a model on CORPUS and leave everything about it in the folder RUN.

    Features that aren't extracted yet are extracted first. What isn't asked for is the recipe's,
    and the run keeps both. A run that was stopped goes on with --resume, to the same result.

    \b
    Example:
      deephits train corpus run --modalities mel,lyrics,meta --task tiers-3
      deephits train corpus run --recipe paper --epochs 10
      deephits train corpus run --resume
    """
    from deephits_keras.corpus import Corpus
    from deephits_keras.runs.run import Run
    from deephits_keras.training.workflow import finish, plan_training, resumable

    asked = {name: value for name, value in training.items() if value is not None}
    meeting = get_fusion_settings(fusion, fusion_weights, head, dropout)
    opened = Corpus.open(corpus)
    if resume:
        _refuse_changes(click.get_current_context(), settings)
        current = resumable(run)
        config = current.config.training
    else:
        plan = plan_training(
            opened,
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
        config = plan.choices.training
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
    epochs = metrics.get("members") or {"": metrics["selected_epoch"]}
    kept = ", ".join(map(str, epochs.values()))
    click.echo(f"Kept epoch{'s' * (len(epochs) > 1)} {kept}. Report: {run / REPORT}")


def _start_distribution(config: TrainingConfig, cache: str) -> Distribution:
    from deephits_keras.training.cluster import Worker, check_distributable

    check_distributable(config, cache)
    worker = Worker.from_environment()
    if worker.count > 1:
        click.echo(f"worker {worker.index} of {worker.count}: waiting for the others", err=True)

    def start() -> Distribution:
        from deephits_keras.training.distribution import Distribution

        return Distribution.start(worker)

    return import_keras(start)


def _refuse_changes(context: click.Context, settings: dict[str, dict[str, Any]]) -> None:
    """With --resume the run's own settings count: say so instead of ignoring others."""
    free = {"corpus", "run", "resume", "cache", "distribute", "jobs", "as_json"}
    changed = [
        name
        for name in context.params
        if name not in free
        and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if changed or settings:
        names = ", ".join([*(f"--{c.replace('_', '-')}" for c in changed), *settings])
        raise UserError(f"--resume goes on with the run's own settings: leave out {names}")

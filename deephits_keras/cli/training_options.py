"""Options of a training that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from deephits_keras.choices import DECODINGS, QUALITIES, SPLIT_ARGUMENTS, SPLITS
from deephits_keras.cli.common import Command
from deephits_keras.errors import UserError
from deephits_keras.recipes import DEFAULT
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

RECIPES = "set by the recipe"


def training_option(
    name: str, help: str, choices: tuple[str, ...] = ()
) -> Callable[[Command], Command]:
    """An option named after a field of `TrainingConfig`, None where it isn't given."""
    kind: Any = click.Choice(choices) if choices else type(getattr(TrainingConfig, name))
    return click.option(f"--{name.replace('_', '-')}", show_default=RECIPES, type=kind, help=help)


def split_options(*, test: float) -> Callable[[Command], Command]:
    """Add `--split` and its arguments.

    Args:
        test: Default fraction of test tracks.
    """

    def add(command: Command) -> Command:
        for option in reversed(
            (
                click.option(
                    "--split",
                    default="random",
                    show_default=True,
                    type=click.Choice(SPLITS),
                    help="How tracks are divided into training, validation and test; "
                    "the paper uses random.",
                ),
                click.option(
                    "--validation",
                    default=0.2,
                    show_default=True,
                    help="Fraction of tracks for validation.",
                ),
                click.option(
                    "--test",
                    default=test,
                    show_default=True,
                    help="Fraction of tracks for the test.",
                ),
                click.option(
                    "--fold",
                    type=int,
                    help="With --split kfold: index of the fold that is held out, from 0.",
                ),
                click.option(
                    "--folds",
                    default=5,
                    show_default=True,
                    help="With --split kfold: number of folds.",
                ),
                click.option("--origin", type=int, help="With --split rolling: first test year."),
                click.option(
                    "--horizon",
                    default=5,
                    show_default=True,
                    help="With --split rolling: number of test years.",
                ),
                click.option(
                    "--since",
                    type=int,
                    help="With --split rolling: first year of the training songs.",
                ),
                click.option(
                    "--rehearsal",
                    type=float,
                    help="With --since: fraction of the older songs that is kept for training.",
                ),
                click.option(
                    "--by",
                    metavar="COLUMN",
                    help="With --split group: column that defines the groups.",
                ),
                click.option(
                    "--held-out",
                    metavar="VALUE",
                    help="With --split group: value of --by whose tracks are held out.",
                ),
            )
        ):
            command = option(command)
        return command

    return add


def years(words: str) -> list[int]:
    """The years of `--origins`.

    Raises:
        UserError: if one isn't a number.
    """
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise UserError(
            f"--origins are years, separated by commas: 2005,2010. Received: {words}"
        ) from None


def split_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the parameters of `split_options` out of a command's, as `plan_training` wants them."""
    kind = arguments.pop("split")
    return {"kind": kind, **{name: arguments.pop(name) for name in SPLIT_ARGUMENTS}}


def training_options(command: Command) -> Command:
    """Add the options named after fields of `TrainingConfig`, and `--dropout`."""
    for option in reversed(
        (
            training_option("epochs", "Number of passes over the training tracks."),
            training_option("batch_size", "Tracks per step."),
            training_option(
                "optimizer", "Optimizer; adam follows PyTorch, with coupled L2.", OPTIMIZERS
            ),
            training_option("schedule", "Learning rate schedule.", SCHEDULES),
            training_option(
                "max_learning_rate",
                "Peak learning rate of onecycle; initial learning rate of other schedules.",
            ),
            training_option("anneal", "Shape of the rise and fall of onecycle.", ANNEALS),
            training_option(
                "l2",
                "Factor of coupled L2 regularisation (adam), or decoupled weight decay (adamw).",
            ),
            training_option(
                "patience", "Stop after this many epochs without a better checkpoint; 0: never."
            ),
            training_option(
                "modality_dropout",
                "Probability with which each modality of a training track is hidden.",
            ),
            training_option(
                "loss",
                "Training loss; focal, cost and triplet are for tiers, rank for regression.",
                LOSSES,
            ),
            training_option(
                "focal_gamma", "Focusing parameter of the focal loss; 0 gives cross-entropy."
            ),
            training_option(
                "rank_weight",
                "With --loss rank: weight of the pairwise ranking term added to the squared error.",
            ),
            training_option(
                "triplet_weight",
                "With --loss triplet: weight of the triplet term added to the cross-entropy.",
            ),
            training_option(
                "triplet_margin",
                "With --loss triplet: by how much an embedding of a farther tier must be farther "
                "away.",
            ),
            training_option(
                "class_weights",
                "balanced: weight tracks by the inverse frequency of their tier.",
                CLASS_WEIGHTS,
            ),
            training_option(
                "select",
                "Validation metric that selects the checkpoint; macro_f1_present: macro-F1 of the "
                "tiers that occur.",
                SELECTORS,
            ),
            training_option("precision", "Floating-point precision.", PRECISIONS),
            training_option(
                "calibrate",
                "auto: scale class scores by a fitted temperature if that lowers the calibration "
                "error.",
                CALIBRATIONS,
            ),
            training_option(
                "decoding",
                "Choice of the tier: likeliest (largest score), macro-f1 (rare tiers favoured), or "
                "distance (least expected distance).",
                DECODINGS,
            ),
            training_option(
                "ensemble",
                "Number of models to train and average, with seeds --seed, --seed + 1, ...",
            ),
            training_option(
                "coverage",
                "Probability that a predicted tier set or interval contains the truth; 0: no sets.",
            ),
            click.option(
                "--dropout", type=float, show_default=RECIPES, help="Dropout rate after the fusion."
            ),
            click.option(
                "--with-boosting/--without-boosting",
                default=None,
                show_default=RECIPES,
                help="Average the network's prediction with that of boosted trees, on what "
                "training leaves as it is, such as fields by rank.",
            ),
            click.option(
                "--xla/--no-xla",
                default=None,
                show_default=RECIPES,
                help="Compile the training step with XLA.",
            ),
        )
    ):
        command = option(command)
    return command


def recipe_option(command: Command) -> Command:
    """Add `--recipe`."""
    return click.option(
        "--recipe",
        default=DEFAULT,
        show_default=True,
        help="System to train, by name (see `deephits recipes list`). Options override it.",
    )(command)


def quality_option(command: Command) -> Command:
    """Add `--quality`."""
    return click.option(
        "--quality",
        default="good",
        show_default=True,
        type=click.Choice(QUALITIES),
        help="fast: a quarter of the epochs; good: the recipe; best: the mean of five models.",
    )(command)

"""`TrainingConfig`: every setting of a training run; the paper's by default, but `select`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from deephits_keras.choices import DECODINGS, LIKELIEST
from deephits_keras.errors import UserError
from deephits_keras.utils.records import check_types, from_settings

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
CLASS_WEIGHTS = ("none", "balanced")
OPTIMIZERS = ("adam", "adamw", "adadelta", "adagrad", "sgd")
SCHEDULES = ("onecycle", "constant", "plateau")
ANNEALS = ("linear", "cos")
SELECTORS = ("macro_f1_present", "macro_f1", "accuracy", "loss")
TRIPLET = "triplet"
LOSSES = ("paper", "focal", "cost", "rank", TRIPLET)
CALIBRATIONS = ("auto", "none")
LARGEST_ENSEMBLE = 100


@dataclass(frozen=True)
class TrainingConfig:
    """How to train (paper, Section 2.2.2).

    Attributes:
        epochs: Passes over the training split.
        batch_size: Tracks per step.
        optimizer: `adam` (PyTorch's, with coupled L2), or one of Keras' own: `adamw` (with
            decoupled decay), `adadelta`, `adagrad`, `sgd`.
        schedule: Learning rate schedule: `onecycle`, `constant` or `plateau` (multiply the rate
            by `plateau_factor` after each epoch whose validation loss isn't the lowest so far).
        plateau_factor: See `schedule`; from 0.01 to 1.
        max_learning_rate: Peak learning rate of `onecycle`, or initial rate of other schedules.
        warmup: Fraction of all steps in which the learning rate rises.
        div_factor: The learning rate starts at the peak divided by this. The paper states a rate
            of 0.01 as well as a peak of 0.1; PyTorch's scheduler overrides the former with
            peak / 25, its default, which is taken here (10 would give the 0.01).
        final_div_factor: The learning rate ends at its initial value divided by this.
        anneal: Shape of the rise and fall: `linear` (as the paper states) or `cos` (PyTorch's
            default).
        cycle_momentum: Whether beta 1 goes from 0.95 to 0.85 and back as the rate rises and
            falls (PyTorch's default); otherwise it stays at 0.9 (as the paper states).
        l2: Factor of the L2 term that `adam` adds to the gradient of every trainable parameter,
            or decoupled weight decay of `adamw`; ignored by the other optimizers.
        patience: Stop after this many epochs without a better checkpoint; 0: never.
        modality_dropout: Probability with which each modality of each training track is hidden;
            from 0 to 0.95.
        learned_missing: Embedding of a missing modality: `auto` (learned if the training split
            lacks inputs or `modality_dropout` hides some), `always` learned, or `never` (zeros).
        loss: `paper` (cross-entropy for tiers, squared error for regression), `focal`, `cost` or
            `triplet` (tiers), or `rank` (regression); see `training.losses` and `training.triplet`.
        rank_weight: With `loss="rank"`: weight of the pairwise ranking term that is added to the
            squared error.
        triplet_weight: With `loss="triplet"`: weight of the triplet term that is added to the
            cross-entropy.
        triplet_margin: With `loss="triplet"`: by how much an embedding of a farther tier must be
            farther away, in squared distance of unit vectors (0 to 4).
        focal_gamma: Focusing parameter of the focal loss; 0 gives cross-entropy.
        class_weights: `none` (as in the paper) or `balanced` (scikit-learn's formula).
        select: Metric of the validation split that selects the checkpoint: `macro_f1_present`
            (over the tiers that occur in the validation split), `macro_f1` (the paper's: a tier
            that doesn't occur counts as soon as one track is predicted in it, and then lowers the
            mean by a whole tier), `accuracy` or `loss`.
        precision: Floating-point precision: `float32`, `mixed_float16` or `mixed_bfloat16`.
        xla: Whether to compile the training step with XLA.
        seed: Random seed of initialisation, order of tracks, dropout and modality dropout.
        calibrate: `auto` to divide the logits by a temperature fitted on the validation split,
            if that lowers the expected calibration error (`evaluation.calibration`), or `none`:
            on held-out real tracks `auto` was no better (docs/beyond.md).
        decoding: How one tier is chosen from the class scores of a track, fitted on the validation
            part after training: `likeliest` (the largest score, as in the paper), `macro-f1` or
            `distance` (`tasks.Decoding`, `evaluation.decoding`). A regression has none. The
            checkpoint is selected by the largest score with any of them.
        coverage: Probability that a predicted set of tiers, or interval of popularity, contains
            the true value; 0: no sets are predicted.
        ensemble: Number of models to train, with the seeds `seed`, `seed + 1`, ...; their
            predictions are averaged.
        with_boosting: Whether boosted trees are fitted as well, on the embeddings without trainable
            parameters, such as those of `tabular`; the prediction is the average of theirs and
            the network's (`training.boosting`).
        time_limit: Minutes after which the training ends, at the end of a step, with the best
            checkpoint so far; 0: none. The schedule is shortened so that it ends in time. The
            members of an ensemble share it.
    """

    epochs: int = 25
    batch_size: int = 256
    optimizer: str = "adam"
    schedule: str = "onecycle"
    plateau_factor: float = 0.9
    max_learning_rate: float = 0.1
    warmup: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    anneal: str = "linear"
    cycle_momentum: bool = True
    l2: float = 0.001
    patience: int = 0
    modality_dropout: float = 0.0
    learned_missing: str = "auto"
    loss: str = "paper"
    focal_gamma: float = 2.0
    rank_weight: float = 1.0
    triplet_weight: float = 1.0
    triplet_margin: float = 0.2
    class_weights: str = "none"
    select: str = "macro_f1_present"
    precision: str = "float32"
    xla: bool = False
    seed: int = 0
    calibrate: str = "none"
    decoding: str = LIKELIEST
    coverage: float = 0.0
    ensemble: int = 1
    with_boosting: bool = False
    time_limit: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(f"{name} must be a finite number. Received: {value}")
        positive = ("epochs", "batch_size", "max_learning_rate", "div_factor", "final_div_factor")
        for name in positive:
            if getattr(self, name) <= 0:
                raise UserError(f"{name} must be above 0. Received: {getattr(self, name)}")
        for name, low, high in (
            ("warmup", 0, 1),
            ("modality_dropout", 0, 0.95),
            ("l2", 0, 1),
            ("focal_gamma", 0, 10),
            ("rank_weight", 0, 1000),
            ("triplet_weight", 0, 1000),
            ("triplet_margin", 0, 4),
            ("plateau_factor", 0.01, 1),
            ("patience", 0, 10**6),
            ("time_limit", 0, 10**6),
        ):
            if not low <= getattr(self, name) <= high:
                raise UserError(
                    f"{name} must be from {low} to {high}. Received: {getattr(self, name)}"
                )
        if not 1 <= self.ensemble <= LARGEST_ENSEMBLE:
            raise UserError(
                f"ensemble must be from 1 to {LARGEST_ENSEMBLE}. Received: {self.ensemble}"
            )
        if not 0 <= self.coverage < 1:
            raise UserError(
                f"coverage must be between 0 and 1, or 0 for no sets. Received: {self.coverage}"
            )
        for name, allowed in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("anneal", ANNEALS),
            ("learned_missing", ("auto", "always", "never")),
            ("loss", LOSSES),
            ("class_weights", CLASS_WEIGHTS),
            ("select", SELECTORS),
            ("precision", PRECISIONS),
            ("calibrate", CALIBRATIONS),
            ("decoding", DECODINGS),
        ):
            if getattr(self, name) not in allowed:
                raise UserError(
                    f"{name} must be one of {', '.join(allowed)}. Received: {getattr(self, name)!r}"
                )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The paper's settings, except those that are given.

        Raises:
            SettingError: for an unknown setting or a value that isn't allowed.
        """
        return from_settings(settings, cls, "training settings")

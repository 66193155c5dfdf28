"""`Recipe`: a published system as data."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from deephits_keras.errors import UserError
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.utils.records import from_plain

FIDELITIES = ("exact", "adapted", "reconstructed")
"""Fidelity of a recipe to the publication: all of it from public sources; the same parts with other
inputs or another target; or with parts that no public source documents."""

SMALLEST_BATCH, LARGEST_BATCH = 16, 256


@dataclass(frozen=True)
class Recipe:
    r"""A set of encoders with settings, a fusion, a head, a loss, an optimizer and a schedule.

    A recipe is a TOML file: texts at the top level, and one table per other attribute.

    Attributes:
        name: The file's name without `.toml`.
        summary: One line for `deephits recipes list`.
        source: Publication: authors, year, title, venue.
        fidelity: One of `FIDELITIES`.
        remarks: Remarks for readers of its metrics, one sentence each.
        modalities: Encoder of each modality, in the model's order. Empty for the modalities whose
            encoders are marked as defaults.
        prefer: Encoder of a modality in place of the one that is marked as its default, whether
            or not the corpus or the user asks for that modality. Unlike `modalities`, it doesn't
            say which modalities are used.
        encoders: Settings of encoders, by encoder.
        fusion: `name` and settings of the fusion, the head among them.
        training: Fields of `TrainingConfig`; the others keep their defaults, which are the
            paper's.
        steps_per_epoch: If not 0, the batch size is the power of two from 16 to 256 that is
            nearest to the number of training tracks divided by this (`batch_size_for`), unless a
            batch size is asked for.
        needs: Required modalities; `compare` leaves out the others if a corpus lacks them, and
            reports it.
        task: Task of the publication, the default of `train`; empty for the command's default.
        estimator: For a shallow recipe: the scikit-learn model, its settings, and how tiers are
            decoded (`decoding`, as in `TrainingConfig`). Such a recipe has
            no fusion and no training, and can only be used in `deephits compare`.
        search: Settings that `deephits tune` searches by default, as in a file of its `--space`;
            empty for the rate, the decay and the dropout around the recipe's.
        distribution: Distribution that provides it, with its version.

    Example:
        >>> text = 'summary = "fields alone"\n[modalities]\nmeta = "numeric"'
        >>> Recipe.from_toml("mine", text).modalities
        {'meta': 'numeric'}
    """

    name: str
    summary: str
    source: str = ""
    fidelity: str = "exact"
    remarks: tuple[str, ...] = ()
    modalities: Mapping[str, str] = field(default_factory=dict)
    prefer: Mapping[str, str] = field(default_factory=dict)
    encoders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fusion: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    steps_per_epoch: int = 0
    needs: tuple[str, ...] = ()
    task: str = ""
    estimator: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    distribution: str = ""

    def __post_init__(self) -> None:
        if not self.summary:
            raise UserError("it has no summary")
        if self.fidelity not in FIDELITIES:
            raise UserError(
                f"fidelity must be one of {', '.join(FIDELITIES)}. Received: {self.fidelity!r}"
            )
        if self.shallow and (self.fusion or self.training):
            raise UserError("it has an estimator, and so neither fusion nor training")
        if self.task:
            # Recipes are listed by `--help`, which imports no NumPy.
            from deephits_keras.tasks import get_task

            get_task(self.task)
        TrainingConfig.from_settings(self.training)

    def encoder_of(self, modality: str) -> str:
        """The name of its encoder for a modality; empty for the modality's default."""
        return self.modalities.get(modality) or self.prefer.get(modality, "")

    def batch_size_for(self, tracks: int) -> int | None:
        """The batch size for a number of training tracks; None if the recipe has no such rule.

        Example:
            >>> recipe = Recipe("mine", "fields alone", steps_per_epoch=48)
            >>> [recipe.batch_size_for(tracks) for tracks in (100, 480, 12_000)]
            [16, 16, 256]
        """
        if not self.steps_per_epoch:
            return None
        wanted = max(tracks / self.steps_per_epoch, 1)
        return int(min(max(2 ** round(math.log2(wanted)), SMALLEST_BATCH), LARGEST_BATCH))

    @property
    def shallow(self) -> bool:
        """Whether it is a scikit-learn model on columns instead of a network."""
        return bool(self.estimator)

    @property
    def digest(self) -> str:
        """A digest of everything that changes its results, to tell two versions of it apart."""
        told = ("distribution", "summary", "source", "fidelity", "remarks", "task", "search")
        own = {k: v for k, v in dataclasses.asdict(self).items() if k not in told}
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_toml(cls, name: str, text: str, distribution: str = "") -> Self:
        """Create a recipe from the content of a TOML file.

        Args:
            name: The recipe's name.
            text: The file's content.
            distribution: The distribution that provides it.

        Raises:
            UserError: if it isn't TOML, has an unknown key, or a value of a wrong type.
        """
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"The recipe {name!r} is not TOML: {error}") from error
        own = {"name": name, "distribution": distribution}
        for key in own:
            if key in values:
                raise UserError(f"The recipe {name!r} can't state its {key} itself")
        return from_plain({**values, **own}, cls, f"The recipe {name!r}")

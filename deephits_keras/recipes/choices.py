"""The settings of a training: a recipe, overridden by given settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.registry import AnyEncoder, registry, resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.recipes.quality import GOOD, quality_settings
from deephits_keras.recipes.recipe import Recipe
from deephits_keras.recipes.registry import DEFAULT, get_recipe
from deephits_keras.runs.training_config import TrainingConfig

if TYPE_CHECKING:
    from deephits_keras.corpus.table import Corpus

TASK = "tiers-10"
"""The task if neither the recipe nor the user gives one."""


LEFT_OUT = "left_out"
"""Key of a run's recipe: modalities that are left out, with the reasons."""

EMPTY = "empty"
"""Key of a run's recipe: modalities that were asked for and that no track has, with the reasons."""

LATER = "later"
"""Key of a run's recipe: columns that are only known after the release, by modality."""


def later_notes(columns: Mapping[str, Collection[str]]) -> list[str]:
    """A sentence for each modality that reads columns which aren't known at the release."""
    return [
        f"{modality} reads {', '.join(names)}, which is only known after a song's release: the "
        "metrics are too good for songs that aren't out yet"
        for modality, names in columns.items()
    ]


def left_out_notes(absent: Mapping[str, str]) -> list[str]:
    """A sentence for each modality that is left out."""
    return [f"{modality} is left out: {reason}" for modality, reason in absent.items()]


def empty_notes(empty: Mapping[str, str]) -> list[str]:
    """A sentence for each modality that was asked for and that no track has."""
    return [
        f"{modality} was asked for, but {reason}: the model learns nothing of it"
        for modality, reason in empty.items()
    ]


@dataclass(frozen=True)
class Choices:
    """All settings of a training except the corpus, the split and the folder.

    Attributes:
        modalities: For `corpus_encoders`: `modality=encoder` pairs, or None for every modality
            with a default encoder.
        settings: Settings of encoders that were asked for, by modality or encoder.
        defaults: The recipe's settings of encoders, which they override, by encoder.
        fusion: Name and settings of the fusion.
        training: Settings of the training.
        task: Name of the task.
        sized_by: The recipe, if its rule for the batch size applies.
        optional: Whether the modalities are a recipe's, not asked for: those that a corpus has
            nothing of are left out.
        needs: Modalities that aren't left out.
        record: The recipe and the settings that override it, as a run stores them.
    """

    modalities: str | None
    settings: dict[str, dict[str, Any]]
    defaults: Mapping[str, Mapping[str, Any]]
    fusion: dict[str, Any]
    training: TrainingConfig
    task: str
    record: dict[str, Any]
    sized_by: Recipe | None = None
    optional: bool = False
    needs: tuple[str, ...] = ()

    def check_modalities(self) -> None:
        """Check named modalities and their settings without a corpus.

        Raises:
            UserError: for an unknown modality or encoder, or a setting that can't be used.
        """
        if self.modalities:
            resolve_modalities(self.modalities, self.settings, defaults=self.defaults)

    def encoders(self, corpus: Corpus) -> dict[str, AnyEncoder]:
        """The encoders for a corpus, by modality; see `select`."""
        return self.select(corpus)[0]

    def select(self, corpus: Corpus) -> tuple[dict[str, AnyEncoder], dict[str, str]]:
        """The encoders for a corpus, and the modalities of the recipe that it has nothing of.

        Returns:
            Encoders by modality; and the reason for each modality that is left out.

        Raises:
            UserError: as `corpus_encoders`; if a given column isn't there; or if the corpus has
                nothing of a modality that the recipe needs, or of all.
        """
        # `--help` imports this module, and no NumPy.
        from deephits_keras.features.extraction import (
            corpus_encoders,
            require_columns,
            without_inputs,
        )

        found = corpus_encoders(corpus, self.modalities, self.settings, self.defaults)
        for encoder in found.values():
            require_columns(corpus, encoder, self.settings)
        absent = without_inputs(corpus, found) if self.optional else {}
        reasons = "; ".join(f"{modality}: {reason}" for modality, reason in absent.items())
        if missing := [modality for modality in self.needs if modality in absent]:
            raise UserError(f"The recipe needs {', '.join(missing)}, and of {reasons}")
        if len(absent) == len(found):
            raise UserError(f"There is nothing to train on. {reasons}")
        return {modality: e for modality, e in found.items() if modality not in absent}, absent

    def training_on(self, tracks: int) -> TrainingConfig:
        """How to train on a number of training tracks: the batch size may depend on it."""
        batch_size = self.sized_by.batch_size_for(tracks) if self.sized_by else None
        if batch_size is None:
            return self.training
        return dataclasses.replace(self.training, batch_size=batch_size)


def choose(
    recipe: str | Recipe = DEFAULT,
    *,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    fusion: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    task: str | None = None,
    quality: str = GOOD,
) -> Choices:
    """Combine a recipe with settings that override it.

    Args:
        recipe: A recipe, or its name.
        modalities: `"mel,meta"`, `"mel=my_encoder"`: a modality without an encoder takes the
            recipe's. None for those of the recipe.
        settings: Settings of encoders, by modality or encoder.
        fusion: Settings of the fusion; with another `name`, the recipe's settings of its fusion are
            dropped, except head and dropout.
        training: Fields of `TrainingConfig`.
        task: Name of the task.
        quality: `fast`, `good` or `best`, which `training` overrides; see `recipes.quality`.

    Raises:
        UserError: for an unknown recipe, quality, task, fusion, head or setting, or a shallow
            recipe.

    Example:
        >>> choose("paper", training={"epochs": 3}).training.epochs
        3
    """
    recipe = get_recipe(recipe)
    if modalities is not None and not isinstance(modalities, str):
        raise UserError(f"modalities must be a text such as 'mel,meta'. Received: {modalities!r}")
    if recipe.shallow:
        raise UserError(
            f"The recipe {recipe.name!r} is a {recipe.estimator.get('name')} and no network: "
            f"`deephits compare CORPUS OUT --recipes {recipe.name}` trains it"
        )
    asked: dict[str, Any] = {
        "modalities": modalities,
        "settings": {name: dict(values) for name, values in (settings or {}).items() if values},
        "fusion": dict(fusion or {}),
        "training": dict(training or {}),
        "task": task,
        "quality": quality if quality != GOOD else None,
    }
    changed = quality_settings(quality, recipe.training)
    chosen = Choices(
        modalities=_modalities(recipe, modalities),
        settings=asked["settings"],
        defaults=recipe.encoders,
        fusion=_fusion(recipe, fusion or {}),
        training=TrainingConfig.from_settings({**recipe.training, **changed, **(training or {})}),
        task=task or recipe.task or TASK,
        record={
            "name": recipe.name,
            "distribution": recipe.distribution,
            "recipe": dataclasses.asdict(recipe),
            "options": {name: value for name, value in asked.items() if value},
        },
        sized_by=None if "batch_size" in asked["training"] else recipe,
        optional=modalities is None,
        needs=recipe.needs,
    )
    # `--help` imports this module, and no NumPy.
    from deephits_keras.model.fusion import get_fusion
    from deephits_keras.model.head_names import check_head
    from deephits_keras.tasks import get_task

    _require_effect(asked["training"], chosen.training)
    head = get_fusion(chosen.fusion).head
    check_head(head, classification=get_task(chosen.task).kind == "classification")
    return chosen


ONLY_WITH = {
    "focal_gamma": "focal",
    "rank_weight": "rank",
    "triplet_weight": "triplet",
    "triplet_margin": "triplet",
}
"""The loss that each of these settings of the training belongs to."""


def _require_effect(asked: Mapping[str, Any], training: TrainingConfig) -> None:
    defaults = TrainingConfig()
    for name, loss in ONLY_WITH.items():
        changed = name in asked and asked[name] != getattr(defaults, name)
        if changed and training.loss != loss:
            raise UserError(
                f"{name} is for the loss {loss}, and has no effect on {training.loss}: add "
                f"--loss {loss}, or remove it"
            )


def _modalities(recipe: Recipe, asked: str | None) -> str | None:
    if asked is None:
        asked = ",".join(recipe.modalities or default_modalities(recipe)) or None
    if asked is None:
        return None
    words = [word.strip() for word in asked.split(",")]
    chosen = {word: recipe.encoder_of(word) for word in words}
    return ",".join(f"{word}={encoder}" if encoder else word for word, encoder in chosen.items())


def default_modalities(recipe: Recipe) -> list[str]:
    """The modalities of a recipe that names none: none for an estimator, else the installed."""
    if recipe.shallow:
        return []
    return [c.modality for c in registry().load_working().values() if c.default]


def encoder_words(recipe: Recipe, modality: str) -> str:
    """A recipe's encoder of one modality, as `corpus_encoders` takes it."""
    return _modalities(recipe, modality) or modality


SHARED_BY_FUSIONS = ("head", "dropout")


def _fusion(recipe: Recipe, asked: Mapping[str, Any]) -> dict[str, Any]:
    own = {"name": "early", **recipe.fusion}
    if asked.get("name", own["name"]) != own["name"]:
        own = {name: value for name, value in own.items() if name in SHARED_BY_FUSIONS}
    return {**own, **asked}

"""What a search was asked for, and the training that a trial's values make of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.model.fusion import FUSIONS, get_fusion
from deephits_keras.recipes import DEFAULT, choose
from deephits_keras.recipes.choices import Choices
from deephits_keras.training.workflow import TrainingPlan, plan_training
from deephits_keras.tuning.names import PARTS
from deephits_keras.tuning.space import JOIN, Space


@dataclass(frozen=True)
class Asked:
    """The arguments of a training, without its folder, which a search changes in some places.

    Attributes:
        recipe: Name of the recipe.
        modalities: Modalities and encoders; None for those of the recipe.
        settings: Settings of encoders, by modality or encoder.
        fusion: Settings of the fusion.
        training: Fields of `TrainingConfig`.
        task: Name of the task; None for that of the recipe.
        seed: Seed of the split, the trainings and the search.
        split: Arguments of `corpus.make_split`.
    """

    recipe: str = DEFAULT
    modalities: str | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fusion: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    seed: int = 0
    split: Mapping[str, Any] = field(default_factory=dict)

    def choices(self) -> Choices:
        """All settings; see `recipes.choose`."""
        return choose(
            self.recipe,
            modalities=self.modalities,
            settings=self.settings,
            fusion=self.fusion,
            training=self.training,
            task=self.task,
        )

    def encoders(self, corpus: Corpus) -> dict[str, AnyEncoder]:
        """The encoders by modality."""
        return self.choices().encoders(corpus)

    def with_values(self, values: Mapping[str, Any]) -> Asked:
        """These arguments with values of settings, by their full names."""
        asked = self
        for name, value in values.items():
            owner, _, setting = name.rpartition(".")
            if name == "recipe":
                asked = dataclasses.replace(asked, recipe=value)
            elif name == "modalities":
                asked = dataclasses.replace(asked, modalities=value.replace(JOIN, ","))
            elif name == "fusion":
                asked = dataclasses.replace(asked, fusion={**asked.fusion, "name": value})
            elif owner == "fusion":
                asked = dataclasses.replace(asked, fusion={**asked.fusion, setting: value})
            elif owner:
                settings = {n: dict(own) for n, own in asked.settings.items()}
                settings.setdefault(owner, {})[setting] = value
                asked = dataclasses.replace(asked, settings=settings)
            else:
                asked = dataclasses.replace(asked, training={**asked.training, name: value})
        return asked

    def plan(self, corpus: Corpus, folder: Path) -> TrainingPlan:
        """The training, checked without Keras."""
        return plan_training(
            corpus, folder, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        )

    def applicable(self, space: Space, corpus: Corpus) -> list[str]:
        """The settings of a space that these arguments have, without whole parts.

        Those of other fusions and encoders are left out.
        """
        fusion = FUSIONS[str(self.choices().fusion["name"])]
        owners = {name for m, e in self.encoders(corpus).items() for name in (m, e.name)}
        return [
            name
            for name, dimension in space.items()
            if name not in PARTS
            and (
                dimension.setting.field in fusion.__dataclass_fields__
                if dimension.setting.owner == "fusion"
                else not dimension.setting.owner or dimension.setting.owner in owners
            )
        ]


def own_value(plan: TrainingPlan, asked: Asked, name: str) -> Any:
    """The value that a setting has without the search."""
    owner, _, setting = name.rpartition(".")
    fusion: Any = get_fusion(plan.choices.fusion)
    if name == "recipe":
        return asked.recipe
    if name == "modalities":
        return JOIN.join(plan.encoders)
    if name == "fusion":
        return fusion.name
    if owner == "fusion":
        return getattr(fusion, setting, None)
    if owner:
        by_name = {**plan.encoders, **{e.name: e for e in plan.encoders.values()}}
        return getattr(by_name[owner].config, setting) if owner in by_name else None
    return getattr(plan.choices.training, name)


def check(asked: Asked, space: Space, corpus: Corpus) -> None:
    """Check that each value of a space can be used, with the others as they were asked for.

    Raises:
        UserError: if one can't, has no effect in any trial, or its setting is also fixed.
    """
    for name, dimension in space.items():
        owner, _, setting = name.rpartition(".")
        fixed = {
            "recipe": asked.recipe != DEFAULT,
            "modalities": asked.modalities is not None,
            "fusion": "name" in asked.fusion,
        }.get(name, setting in (_settings_of(asked, owner) if owner else asked.training))
        if fixed:
            raise UserError(f"{name} is searched, and also given: leave out one of the two")
        for value in dimension.extremes if name in PARTS else ():
            asked.with_values({name: value}).encoders(corpus)
    bases = parts(asked, space)
    for name, dimension in space.items():
        if name in PARTS:
            continue
        using = [base for base in bases if name in base.applicable({name: dimension}, corpus)]
        if not using:
            raise UserError(f"Search of {name}: no trial of this search has such a setting")
        for value in dimension.extremes:
            using[0].with_values({name: value}).encoders(corpus)


def _settings_of(asked: Asked, owner: str) -> Mapping[str, Any]:
    return asked.fusion if owner == "fusion" else asked.settings.get(owner, {})


def parts(asked: Asked, space: Space) -> list[Asked]:
    """The arguments with every combination of the searched parts."""
    found = [asked]
    for name in PARTS:
        if name in space:
            found = [
                base.with_values({name: value}) for base in found for value in space[name].choices
            ]
    return found

"""The settings that can be searched, by name, with their types and declared values.

`max_learning_rate` is a field of `TrainingConfig`, `fusion.dropout` a setting of a fusion,
`mel_cnn.frames` or `mel.frames` one of an encoder; `recipe`, `modalities` and `fusion` choose whole
parts.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deephits_keras.encoders.registry import registry
from deephits_keras.errors import UserError
from deephits_keras.model.fusion import FUSIONS
from deephits_keras.model.head_names import HEADS
from deephits_keras.recipes.registry import recipe_names
from deephits_keras.runs import training_config
from deephits_keras.runs.training_config import TrainingConfig

PARTS = ("recipe", "modalities", "fusion")
"""Names that choose whole parts, in the order in which they are drawn: others depend on them."""

ALIASES = {"learning_rate": "max_learning_rate"}

UNSEARCHED = {
    "seed": "the trials differ in their settings, not in luck",
    "ensemble": "a trial trains one model: give --ensemble, for the final run alone",
    "time_limit": "it is the search's: give --time-limit",
    "with_boosting": "trials are compared without trees: give it for the final run alone",
    "coverage": "it changes no model: give --coverage",
    "decoding": "it changes no model: give --decoding",
    "calibrate": "it changes no model: give --calibrate",
}
"""Fields of `TrainingConfig` that can't be searched, and why."""

DECLARED = {
    "optimizer": training_config.OPTIMIZERS,
    "schedule": training_config.SCHEDULES,
    "anneal": training_config.ANNEALS,
    "select": training_config.SELECTORS,
    "loss": training_config.LOSSES,
    "class_weights": training_config.CLASS_WEIGHTS,
    "precision": training_config.PRECISIONS,
    "learned_missing": ("auto", "always", "never"),
    "fusion.head": HEADS,
}
"""The values of settings that have only a few."""


@dataclass(frozen=True)
class Setting:
    """A setting that can be searched.

    Attributes:
        name: Its full name.
        kind: Type of its values: `str`, `int`, `float`, `bool`, or `tuple` of one of these.
        item: Type of a tuple's items; `kind` for others.
        choices: Its values, if it has only a few; else empty.
        optional: Whether None (`none`) is a value.
    """

    name: str
    kind: type
    item: type
    choices: tuple[Any, ...] = ()
    optional: bool = False

    @property
    def owner(self) -> str:
        """`fusion`, or an encoder or modality; empty for the training and whole parts."""
        return self.name.partition(".")[0] if "." in self.name else ""

    @property
    def field(self) -> str:
        """Name of the setting within its owner."""
        return self.name.rpartition(".")[2]

    @classmethod
    def from_hint(cls, name: str, hint: Any, choices: tuple[Any, ...] = ()) -> Setting | None:
        """The setting of a field with a type hint; None if its values aren't a few plain types."""
        optional = False
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            options = [option for option in typing.get_args(hint) if option is not type(None)]
            if len(options) != 1:
                return None
            hint, optional = options[0], True
        kind, item = hint, hint
        if typing.get_origin(hint) is tuple:
            kind, item = tuple, typing.get_args(hint)[0]
        if item not in (str, int, float, bool):
            return None
        return cls(name, kind, item, choices or ((False, True) if kind is bool else ()), optional)


@lru_cache(maxsize=1)
def settings() -> Mapping[str, Setting]:
    """Every setting that can be searched, by its full name."""
    found: list[Setting | None] = [
        Setting("recipe", str, str, tuple(recipe_names())),
        Setting("modalities", str, str),
        Setting("fusion", str, str, tuple(FUSIONS)),
    ]
    hints = typing.get_type_hints(TrainingConfig)
    found += [
        Setting.from_hint(name, hint, DECLARED.get(name, ()))
        for name, hint in hints.items()
        if name not in UNSEARCHED
    ]
    for fusion in FUSIONS.values():
        hints = typing.get_type_hints(fusion)
        for field in dataclasses.fields(fusion):
            name = f"fusion.{field.name}"
            found.append(Setting.from_hint(name, hints[field.name], DECLARED.get(name, ())))
    for encoder in registry().load_working().values():
        hints = typing.get_type_hints(encoder.Config)
        for owner in (encoder.modality, encoder.name):
            for field in dataclasses.fields(encoder.Config):
                choices = tuple(field.metadata.get("choices", ()))
                found.append(Setting.from_hint(f"{owner}.{field.name}", hints[field.name], choices))
    return {setting.name: setting for setting in found if setting}


def find_setting(name: str) -> Setting:
    """The setting of a name, as an option or a file spells it.

    `-` and `_` are alike, `training.` may be left out or given, `fusion.` may be left out, and an
    encoder's setting may be spelt as its option is: `mel-frames`.

    Raises:
        UserError: for an unknown name; the message suggests near ones.

    Example:
        >>> find_setting("learning-rate").name, find_setting("dropout").name
        ('max_learning_rate', 'fusion.dropout')
    """
    known = settings()
    wanted = name.strip().replace("-", "_").removeprefix("training.")
    wanted = ALIASES.get(wanted, wanted)
    if wanted in UNSEARCHED:
        raise UserError(f"{name} can't be searched: {UNSEARCHED[wanted]}")
    for spelt in (wanted, f"fusion.{wanted}"):
        if spelt in known:
            return known[spelt]
    as_option = {full.replace(".", "_"): full for full in known if "." in full}
    if wanted in as_option:
        return known[as_option[wanted]]
    raise UserError(f"There is no setting named {name!r} to search. {_hint(wanted, as_option)}")


def _hint(wanted: str, as_option: Mapping[str, str]) -> str:
    """The names that are nearest to an unknown one, or where to find all."""
    short = [name.removeprefix("fusion.") for name in settings()]
    near = difflib.get_close_matches(wanted, [*settings(), *short, *ALIASES, *as_option], 3)
    if near:
        full = dict.fromkeys(as_option.get(each, each) for each in near)
        return f"Did you mean {' or '.join(full)}?"
    return "Settings are those of `deephits train --help` and `deephits encoders show NAME`"

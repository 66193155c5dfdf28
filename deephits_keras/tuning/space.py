"""A search space: a range or a list of values for each searched setting."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deephits_keras.errors import UserError
from deephits_keras.recipes import Recipe
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tuning.names import PARTS, Setting, find_setting
from deephits_keras.utils.records import WORDS

DIGITS = 3
"""Significant digits of a drawn number, so that a run's settings can be read and typed."""

JOIN = "+"
"""Between the parts of one value: the units `128+64`, the modalities `mel+meta`."""


@dataclass(frozen=True)
class Dimension:
    """A searched setting with its values: a range from `low` to `high`, or `choices`.

    Attributes:
        setting: The setting.
        low: Lowest value.
        high: Highest value.
        log: Whether values are drawn evenly by their logarithm.
        step: Distance between the values; 0 for any number between.
        choices: The values, if it isn't a range.
    """

    setting: Setting
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float = 0.0
    choices: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """Full name of the setting."""
        return self.setting.name

    @property
    def labels(self) -> dict[str, Any]:
        """The choices by the texts that stand for them."""
        return {text_of(value): value for value in self.choices}

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values to check: all choices, or both ends."""
        return self.choices or tuple(self.value(end) for end in (self.low, self.high))

    def value(self, drawn: float | str) -> Any:
        """The setting's value for what was drawn: a number of the range, or a choice's text."""
        if self.choices:
            return self.labels[str(drawn)]
        number = float(drawn)
        if self.setting.kind is int:
            return round(number)
        digits = DIGITS - 1 - math.floor(math.log10(abs(number))) if number else 0
        return min(max(round(number, digits), self.low), self.high)

    def holds(self, value: Any) -> bool:
        """Whether a value is one of its values."""
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def to_json(self) -> Any:
        """A list of choices, or the range as a table."""
        # By hand: the file has a list or a table, as recipes and `--search` files spell it.
        if self.choices:
            return [list(v) if isinstance(v, tuple) else v for v in self.choices]
        options = {"log": self.log, "step": self.step}
        return {"low": self.low, "high": self.high, **{k: v for k, v in options.items() if v}}

    def __str__(self) -> str:
        """As an option spells it: `0.001..0.1:log`, `early,late`."""
        if self.choices:
            return ",".join(self.labels)
        step = f":step={self.step:g}" if self.step else ""
        return f"{self.low:g}..{self.high:g}{':log' if self.log else ''}{step}"


Space = Mapping[str, Dimension]
"""Dimensions by the name of their settings; whole parts first, as others depend on them."""


def text_of(value: Any) -> str:
    """A value as an option spells it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return JOIN.join(map(text_of, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def make_space(given: Mapping[str, Any]) -> Space:
    """A space from values by the names of settings, as TOML or Python gives them.

    Args:
        given: For each setting a text as of `--search`, a list of values, or a table with `low`
            and `high`, and optionally `log` and `step`. Tables of settings may be nested:
            `{"fusion": {"dropout": ...}}` is `{"fusion.dropout": ...}`.

    Raises:
        UserError: for an unknown setting, or values that it can't have.

    Example:
        >>> space = make_space({"learning_rate": "0.001..0.1:log", "fusion": ["early", "late"]})
        >>> {name: str(dimension) for name, dimension in space.items()}
        {'fusion': 'early,late', 'max_learning_rate': '0.001..0.1:log'}
    """
    found: dict[str, Dimension] = {}
    for name, values in _flat(given):
        setting = find_setting(name)
        if setting.name in found:
            raise UserError(f"{setting.name} is given twice in the search space")
        found[setting.name] = _dimension(setting, values)
    if not found:
        raise UserError("The search space is empty: give a setting, as --search learning_rate=...")
    order = {name: place for place, name in enumerate(PARTS)}
    return dict(sorted(found.items(), key=lambda pair: order.get(pair[0], len(PARTS))))


def read_space(path: Path) -> dict[str, Any]:
    """The content of a TOML file with a search space.

    Raises:
        UserError: if it can't be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not TOML: {error}") from error


def built_in_space(recipe: Recipe) -> dict[str, Any]:
    """The space of a recipe: its own, or one around its rate, decay and dropout."""
    if recipe.search:
        return dict(recipe.search)
    rate = float(recipe.training.get("max_learning_rate", TrainingConfig.max_learning_rate))
    return {
        "max_learning_rate": {
            "low": float(f"{rate / 30:.2g}"),
            "high": float(f"{rate * 3:.2g}"),
            "log": True,
        },
        "l2": {"low": 1e-5, "high": 0.1, "log": True},
        "fusion.dropout": {"low": 0.0, "high": 0.7},
    }


NO_RANGE = "it is no number, so it has no range: list its values"
RANGE_KEYS = {"low", "high", "log", "step"}


def _flat(given: Mapping[str, Any], within: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, values in given.items():
        if isinstance(values, Mapping) and not {"low", "high"} & set(values):
            owner = "" if name in ("training", "encoders", "search") else f"{within}{name}."
            pairs += _flat(values, owner)
        else:
            pairs.append((f"{within}{name}", values))
    return pairs


def _dimension(setting: Setting, values: Any) -> Dimension:
    if isinstance(values, Mapping):
        return _range(setting, dict(values))
    if isinstance(values, str):
        text, *options = values.split(":")
        if ".." in text:
            return _range(setting, _spelt_range(setting, text, options))
        if options:
            raise _bad(setting, f"{':'.join(options)!r} is for a range, as 0.001..0.1:log")
        values = [word for word in text.split(",") if word.strip()] or list(setting.choices)
    if not isinstance(values, Sequence):
        raise _bad(setting, f"one value is no search. Received: {values!r}")
    choices = tuple(dict.fromkeys(_typed(setting, value) for value in values))
    if len(choices) < 2:
        known = ",".join(map(text_of, setting.choices))
        example = known or ("0.1..0.5" if setting.kind is float else "16,32,64")
        raise _bad(setting, f"two values are needed, as --search {setting.name}={example}")
    for choice in choices:
        if setting.choices and choice not in setting.choices:
            raise _bad(
                setting,
                f"{text_of(choice)!r} is none of {', '.join(map(text_of, setting.choices))}",
            )
    return Dimension(setting, choices=choices)


def _spelt_range(setting: Setting, text: str, options: Sequence[str]) -> dict[str, Any]:
    if setting.kind not in (int, float):
        raise _bad(setting, NO_RANGE)
    low, _, high = text.partition("..")
    found: dict[str, Any] = {"low": _number(setting, low), "high": _number(setting, high)}
    for option in options:
        key, _, value = option.partition("=")
        if key == "log" and not value:
            found["log"] = True
        elif key == "step":
            found["step"] = _number(setting, value)
        else:
            raise _bad(setting, f"{option!r} is neither log nor step=NUMBER")
    return found


def _range(setting: Setting, given: dict[str, Any]) -> Dimension:
    if unknown := sorted(set(given) - RANGE_KEYS):
        raise _bad(setting, f"a range has no {unknown[0]!r}. Known: low, high, log, step")
    if setting.kind not in (int, float):
        raise _bad(setting, NO_RANGE)
    if not {"low", "high"} <= set(given):
        raise _bad(setting, "a range needs low and high")
    for key in ("low", "high", "step"):
        value = given.get(key, 0)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise _bad(setting, f"{key} must be a number. Received: {value!r}")
        if setting.kind is int and value != round(value):
            raise _bad(setting, f"it is a whole number, but {key} is {value:g}")
    found = Dimension(
        setting,
        float(given["low"]),
        float(given["high"]),
        bool(given.get("log", False)),
        float(given.get("step", 0.0)),
    )
    if found.low >= found.high:
        raise _bad(setting, f"{found.low:g} is not below {found.high:g}")
    if found.log and found.low <= 0:
        raise _bad(setting, f"log needs a range above 0. Received: {found.low:g}")
    if found.log and found.step:
        raise _bad(setting, "log and step can't be combined")
    if found.step < 0 or found.step > found.high - found.low:
        raise _bad(setting, f"the step {found.step:g} doesn't fit into the range")
    return found


def _typed(setting: Setting, value: Any) -> Any:
    """A choice as the setting's type."""
    if isinstance(value, str) and setting.kind is not str:
        value = value.strip()
        if value == "none":
            value = () if setting.kind is tuple else None
        elif setting.kind is tuple:
            value = [_word(setting, part) for part in value.split(JOIN)]
        else:
            value = _word(setting, value)
    if value is None and setting.optional:
        return None
    if setting.kind is tuple and isinstance(value, list | tuple):
        return tuple(_checked(setting, part) for part in value)
    return _checked(setting, value.strip() if isinstance(value, str) else value)


def _word(setting: Setting, word: str) -> Any:
    if setting.item is bool:
        return {"yes": True, "true": True, "no": False, "false": False}.get(word.lower(), word)
    if setting.item in (int, float):
        number = _number(setting, word)
        return int(number) if setting.item is int and number == round(number) else number
    return word


def _checked(setting: Setting, value: Any) -> Any:
    if setting.item is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not setting.item:
        kind = WORDS[setting.item.__name__]
        raise _bad(setting, f"a value must be {kind}. Received: {text_of(value)!r}")
    return value


def _number(setting: Setting, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _bad(setting, f"{text!r} is not a number") from None


def _bad(setting: Setting, problem: str) -> UserError:
    return UserError(f"Search of {setting.name}: {problem}")

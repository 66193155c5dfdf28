"""Find recipes, TOML files in packages, by entry point.

An entry point of the group `deephits_keras.recipes` names a package; each `NAME.toml` in it is the
recipe NAME. The name of the entry point has no meaning.
"""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from functools import lru_cache

from deephits_keras.errors import UserError
from deephits_keras.recipes.recipe import Recipe
from deephits_keras.utils.plugins import EntryPoint, installed, only

GROUP = "deephits_keras.recipes"

DEFAULT = "default"
"""The default recipe of `deephits train`."""

SUFFIX = ".toml"


@dataclass(frozen=True)
class RecipeFile(EntryPoint):
    """One recipe of an installed package; for the other attributes see `EntryPoint`.

    Attributes:
        text: The content of its file.
    """

    text: str


@lru_cache(maxsize=1)
def _files() -> list[RecipeFile]:
    found = []
    for package in installed(GROUP, EntryPoint):
        try:
            for file in importlib.resources.files(package.target).iterdir():
                if file.name.endswith(SUFFIX):
                    found.append(
                        RecipeFile(
                            file.name.removesuffix(SUFFIX),
                            package.target,
                            package.distribution,
                            package.distribution_version,
                            file.read_text(encoding="utf-8"),
                        )
                    )
        except Exception as error:
            raise UserError(
                f"The recipes of {package.origin} ({package.target}) can't be read: "
                f"{type(error).__name__}: {error}"
            ) from error
    return sorted(found, key=lambda file: file.name)


def recipe_names() -> list[str]:
    """Names of the installed recipes, sorted."""
    return list(dict.fromkeys(file.name for file in _files()))


def get_recipe(recipe: str | Recipe) -> Recipe:
    """The recipe of that name.

    Raises:
        UserError: if there is none (the message lists the known ones), two distributions provide
            it, or it can't be used.
    """
    if isinstance(recipe, Recipe):
        return recipe
    file = only(_files(), recipe, "recipe")
    return Recipe.from_toml(recipe, file.text, file.origin)


def recipes() -> dict[str, Recipe]:
    """Every installed recipe, by name.

    Raises:
        UserError: if one can't be used; see `get_recipe`.
    """
    return {name: get_recipe(name) for name in recipe_names()}

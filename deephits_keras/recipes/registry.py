"""Find recipes, TOML files in packages, by entry point.

An entry point of the group `deephits_keras.recipes` names a package; each `NAME.toml` in it is the
recipe NAME. The name of the entry point has no meaning.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
from functools import lru_cache

from deephits_keras.errors import UserError
from deephits_keras.recipes.recipe import Recipe

GROUP = "deephits_keras.recipes"

DEFAULT = "default"
"""The default recipe of `deephits train`."""

SUFFIX = ".toml"


@lru_cache(maxsize=1)
def _texts() -> dict[str, list[tuple[str, str]]]:
    """Content and distribution of every recipe file, by name of the recipe."""
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in sorted(set(importlib.metadata.entry_points(group=GROUP))):
        origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
        try:
            files = list(importlib.resources.files(entry.value).iterdir())
        except Exception as error:
            raise UserError(
                f"The recipes of {origin} ({entry.value}) can't be read: "
                f"{type(error).__name__}: {error}"
            ) from error
        for file in files:
            if file.name.endswith(SUFFIX):
                name = file.name.removesuffix(SUFFIX)
                found.setdefault(name, []).append((file.read_text(encoding="utf-8"), origin))
    return dict(sorted(found.items()))


def recipe_names() -> list[str]:
    """Names of the installed recipes, sorted."""
    return list(_texts())


def get_recipe(recipe: str | Recipe) -> Recipe:
    """The recipe of that name.

    Raises:
        UserError: if there is none (the message lists the known ones), two distributions provide
            it, or it can't be used.
    """
    if isinstance(recipe, Recipe):
        return recipe
    found = _texts().get(recipe, [])
    if not found:
        raise UserError(
            f"There is no recipe named {recipe!r}. Recipes: {', '.join(_texts()) or 'none'}"
        )
    if len(found) > 1:
        origins = " and ".join(origin for _, origin in found)
        raise UserError(
            f"{len(found)} distributions have a recipe named {recipe!r}: {origins}. "
            "Uninstall all but one of them"
        )
    text, origin = found[0]
    return Recipe.from_toml(recipe, text, origin)


def recipes() -> dict[str, Recipe]:
    """Every installed recipe, by name.

    Raises:
        UserError: if one can't be used; see `get_recipe`.
    """
    return {name: get_recipe(name) for name in _texts()}

"""Named sets of encoders, fusion, loss and schedule: one per published system."""

from deephits_keras.recipes.choices import Choices, choose
from deephits_keras.recipes.recipe import Recipe
from deephits_keras.recipes.registry import DEFAULT, get_recipe, recipes

__all__ = ["DEFAULT", "Choices", "Recipe", "choose", "get_recipe", "recipes"]

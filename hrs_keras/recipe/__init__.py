"""Recipes: one YAML file that says everything a run depends on."""

from hrs_keras.recipe.reading import load_recipe, parse_recipe
from hrs_keras.recipe.schema import Recipe

__all__ = ["Recipe", "load_recipe", "parse_recipe"]

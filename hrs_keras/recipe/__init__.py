"""Recipes: one YAML file that says everything a run depends on."""

from hrs_keras.recipe.encoder import Encoder
from hrs_keras.recipe.plugins import DATA_SETS, ENCODERS, EXPORT_FORMATS, SOURCE_WEIGHTINGS, TRAINERS
from hrs_keras.recipe.reading import load_recipe, parse_recipe
from hrs_keras.recipe.schema import Recipe

__all__ = [
    "DATA_SETS",
    "ENCODERS",
    "EXPORT_FORMATS",
    "SOURCE_WEIGHTINGS",
    "TRAINERS",
    "Encoder",
    "Recipe",
    "load_recipe",
    "parse_recipe",
]

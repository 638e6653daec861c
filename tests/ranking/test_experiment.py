"""The packaged experiment that asks whether any column helps."""

import re
import shlex

from support.paths import REPOSITORY

from hrs_keras.cli.main import parse
from hrs_keras.experiments.grid import load_experiment

FILE = REPOSITORY / "recipes/experiments/idd_rank.yaml"


def test_it_reads_the_lists_that_the_command_in_its_header_writes():
    """Each kept column has a system, and the systems differ in their list alone."""
    header = re.sub(r"\\\n# +", "", FILE.read_text())
    (command,) = re.findall(r"^# +hrs (rank .*)$", header, re.MULTILINE)
    options = parse(shlex.split(command))
    written = {f"lists/idd.{column}-{options.keep:g}.txt" for column in options.by}
    assert str(options.out) == "lists/idd.csv" and options.checkpoint == "last"
    recipes = {cell.system: cell.recipe for cell in load_experiment(FILE).cells() if cell.seed == 0}
    chosen = {name: recipe for name, recipe in recipes.items() if recipe.data.source[0].only}
    assert {recipe.data.source[0].only for recipe in chosen.values()} == written and len(chosen) == len(written) == 8
    assert {*recipes} - {*chosen} == {"ours_w1", "all"} and recipes["ours_w1"].method.selects
    same = recipes["all"].model_dump(exclude={"name", "data"})
    assert all(recipe.model_dump(exclude={"name", "data"}) == same for recipe in chosen.values())
    assert {recipe.data.target[0].subset for recipe in recipes.values()} == {11}

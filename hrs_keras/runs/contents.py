"""What a checkpoint holds of a player, and under which names."""

import re
from collections.abc import Sequence

import keras
import tensorflow as tf

from hrs_keras.method.players import Player

Contents = dict[str, dict[str, tf.Variable]]
"""``network``, ``optimizer`` and, of a player whose weights are averaged, ``average`` -> name -> variable."""


def contents(player: Player) -> Contents:
    """Everything of a player that is saved; the average of a variable has the variable's name."""
    found = {"network": _by_path(player.network.variables), "optimizer": _by_path(player.optimizer.variables)}
    if player.average is not None:
        names = _trained(player.network)
        found["average"] = {name: v.value for name, v in zip(names, player.average.variables, strict=True)}
    return found


def segmenter_contents(segmenter: keras.Model, averaged: bool) -> Contents:
    """Where E+S's variables are in a checkpoint.

    Args:
        segmenter: built from the run's recipe.
        averaged: take the averages of those that are trained.
    """
    network = _by_path(segmenter.variables)
    if not averaged:
        return {"network": network}
    return {"average": {name: network.pop(name) for name in _trained(segmenter)}, "network": network}


def _by_path(variables: Sequence[keras.Variable]) -> dict[str, tf.Variable]:
    """Variables under names that another process gives them, too.

    Keras numbers seed generators through the whole process: their position in the network stands for that number.
    """
    paths = (re.sub(r"seed_generator_\d+", "seed_generator", variable.path) for variable in variables)
    return {f"{number}:{path}": v.value for number, (path, v) in enumerate(zip(paths, variables, strict=True))}


def _trained(network: keras.Model) -> list[str]:
    """The names of a network's trainable variables, in their order."""
    names = {id(v): name for name, v in zip(_by_path(network.variables), network.variables, strict=True)}
    return [names[id(variable)] for variable in network.trainable_variables]

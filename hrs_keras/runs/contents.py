"""What a checkpoint holds of a player, and under which names."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from hrs_keras.method.players import Player
from hrs_keras.system.compat import checkpoint_names

Contents = dict[str, dict[str, tf.Variable]]
"""``network``, ``optimizer`` and the names of a player's averages -> name -> variable."""

_SEEDS = "seed_generator"
"""In the paths of variables that say how far a network's random numbers have come."""


def contents(player: Player) -> Contents:
    """Everything of a player that is saved; an average of a variable has the variable's name."""
    found = {"network": _by_path(player.network.variables), "optimizer": _by_path(player.optimizer.variables)}
    for kind, average in player.averages.items():
        names = _trained(player.network)
        found[kind] = {name: v.value for name, v in zip(names, average.variables, strict=True)}
    return found


def network_contents(network: keras.Model) -> Contents:
    """Where the variables of a player's network are in a checkpoint, as they are trained."""
    return {"network": _by_path(network.variables)}


def segmenter_contents(segmenter: keras.Model, averaged: bool) -> Contents:
    """Where E+S's variables are in a checkpoint.

    Args:
        segmenter: built from the run's recipe.
        averaged: take the averages of those that are trained.
    """
    if not averaged:
        return network_contents(segmenter)
    network = _by_path(segmenter.variables)
    return {"average": {name: network.pop(name) for name in _trained(segmenter)}, "network": network}


def _by_path(variables: Sequence[keras.Variable]) -> dict[str, tf.Variable]:
    """Variables under names that another process gives them, too.

    Keras numbers seed generators through the whole process: their position in the network stands for that number.
    """
    paths = (re.sub(rf"{_SEEDS}_\d+", _SEEDS, variable.path) for variable in variables)
    return {f"{number}:{path}": v.value for number, (path, v) in enumerate(zip(paths, variables, strict=True))}


def _trained(network: keras.Model) -> list[str]:
    """The names of a network's trainable variables, in their order."""
    names = {id(v): name for name, v in zip(_by_path(network.variables), network.variables, strict=True)}
    return [names[id(variable)] for variable in network.trainable_variables]


# ---- the weights alone, in a checkpoint of another run -----------------------------------------------------------


class StoredVariable(NamedTuple):
    """A variable in a checkpoint: its number in its network, its path there, its key in the file, and its shape."""

    number: int
    path: str
    key: str
    shape: list[int]


def weights(player: Player) -> list[keras.Variable]:
    """The variables of a player's network, without what counts its random numbers: a run's own seed decides these."""
    return [variable for variable in player.network.variables if _SEEDS not in variable.path]


def stored_weights(shapes: Mapping[str, list[int]]) -> dict[str, list[StoredVariable]]:
    """Player -> what :func:`weights` are in a checkpoint, in the same order; of averaged weights the average.

    The average is what the run was validated with (``train.average``).

    Args:
        shapes: key of a variable in the file -> its shape.
    """
    found: dict[str, dict[str, StoredVariable]] = {}
    for key, shape in shapes.items():
        match checkpoint_names(key):
            case ["players", player, "network" | "average" as part, name] if _SEEDS not in name:
                number, _, path = name.partition(":")
                stored = found.setdefault(player, {})
                if part == "average" or name not in stored:
                    stored[name] = StoredVariable(int(number), path, key, list(shape))
    return {player: sorted(stored.values()) for player, stored in found.items()}

"""Beginning a run from another run's weights: ``train.init_from``."""

import itertools
import logging
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hrs_keras.errors import CheckpointError
from hrs_keras.method.players import Player
from hrs_keras.method.trainer import Trainer
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.contents import StoredVariable, stored_weights, weights
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.series import newest_first, restore_newest, step_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitialWeights:
    """The checkpoint of another run that a run begins with.

    Attributes:
        run: the other run's folder.
        which: ``"best"`` or ``"last"``.
    """

    run: RunFolder
    which: str

    @classmethod
    def of(cls, recipe: Recipe) -> "InitialWeights | None":
        """What a recipe's ``train.init_from`` names, which is there; None of a recipe without it.

        Raises:
            CheckpointError: there is no such run or checkpoint, or it is the run itself.
        """
        init = recipe.train.initial
        if init is None:
            return None
        found, where = cls(RunFolder(init.run), init.which), f"train.init_from: {init.run}"
        if not found.run.exists:
            raise CheckpointError(f"{where} is no run folder: it has no recipe.yaml; give RUN, RUN:best or RUN:last")
        if init.run.resolve() == recipe.run_dir.resolve():
            raise CheckpointError(f"{where} is this run itself; give the new run a name of its own, name=NAME")
        if not newest_first(found.run.checkpoints / init.which):
            raise CheckpointError(f"{where} holds no {init.which!r} checkpoint; train it first, or give RUN:best|last")
        return found

    def load(self, trainer: Trainer) -> dict[str, Any]:
        """Give the trainer's players the weights of those of the same name. Optimizers and step stay as they are.

        Args:
            trainer: built, in the scope of its strategy.

        Returns:
            What the run is to note of it, as plain data.

        Raises:
            CheckpointError: a player's network is another one there, or the checkpoint is damaged.
        """
        loaded: list[str] = []

        def restore(path: str) -> None:
            reader = tf.train.load_checkpoint(path)
            theirs = stored_weights(reader.get_variable_to_shape_map())
            fitting = [player for player in trainer.players if player.name in theirs]
            for player in fitting:
                self._refuse_other_network(player, theirs[player.name])
            for player in fitting:
                for variable, stored in zip(weights(player), theirs[player.name], strict=True):
                    variable.assign(reader.get_tensor(stored.key))
                for average in player.averages.values():  # which begin at the initial weights
                    for averaged, variable in zip(average.variables, player.variables, strict=True):
                        averaged.assign(variable.value)
            loaded[:] = [player.name for player in fitting]

        path = restore_newest(self.run.checkpoints / self.which, restore)
        if path is None:
            raise CheckpointError(f"train.init_from: {self.run.path} holds no {self.which!r} checkpoint any more")
        fresh = [player.name for player in trainer.players if player.name not in loaded]
        step = step_of(path)
        log.info(
            "the weights of %s are from %s (%s, step %d)%s",
            ", ".join(loaded),
            self.run.path,
            self.which,
            step,
            f"; {', '.join(fresh)} begin afresh" if fresh else "",
        )
        return {"run": str(self.run.path), "checkpoint": self.which, "step": step, "players": loaded}

    def _refuse_other_network(self, player: Player, theirs: list[StoredVariable]) -> None:
        ours = [f"{variable.path} {list(variable.shape)}" for variable in weights(player)]
        stored = [f"{variable.path} {variable.shape}" for variable in theirs]
        for here, there in itertools.zip_longest(ours, stored, fillvalue="nothing"):
            if here != there:
                raise CheckpointError(
                    f"train.init_from: {self.run.path} has another network for the player {player.name!r}: there is"
                    f" {there} where this recipe has {here}. Give both the same data.classes, encoder and method, or"
                    " leave train.init_from out"
                )

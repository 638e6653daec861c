"""A step in which all players of a turn answer to losses of one forward pass."""

from abc import abstractmethod

import tensorflow as tf

from hrs_keras.method.players import Batch, Part, Scalars
from hrs_keras.method.trainer import Trainer


class OnePassTrainer(Trainer):
    """A trainer that is told by what it loses: a subclass gives ``losses_of`` and ``objectives_of``."""

    def train_step(self, batch: Batch) -> Scalars:
        """Every player's update; see :meth:`Trainer.train_step` for arguments and result."""
        logs: Scalars = {}
        for turn in self.turns(batch):
            for part in turn.parts():
                with tf.GradientTape(persistent=True) as tape:
                    loss = self.losses_of(part)
                    objectives = turn.scaled(self.objectives_of(loss))
                turn.add(tape, loss, objectives)
            logs = (logs or turn.losses()) | turn.update()
        self.steps.assign_add(1)
        return logs

    @abstractmethod
    def losses_of(self, part: Part) -> Scalars:
        """All losses of a part of the batch, scalars float32 averaged over the images."""

    @abstractmethod
    def objectives_of(self, loss: Scalars) -> Scalars:
        """What each player minimises, of the losses: the player's name -> a scalar float32."""

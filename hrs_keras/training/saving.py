"""When checkpoints are saved."""

import time

from hrs_keras.training.session import Session


class Saving:
    """A checkpoint every ``train.checkpoint_every`` steps and ``train.checkpoint_minutes``, at the end, and when the
    run is told to stop.

    Args:
        session: the run; of its workers the chief alone saves.
    """

    def __init__(self, session: Session):
        self._session = session
        self._saved = time.monotonic()

    @property
    def where(self) -> str:
        """Where the last step was saved, in words."""
        return f"saved {self._session.checkpoints.latest}" if self._session.chief else "the chief saves it"

    def after_step(self, step: int, ending: bool) -> None:
        """Save when it is time.

        Args:
            step: how many steps of the run have been taken.
            ending: whether the run was told to stop: then this returns when the checkpoint is there.
        """
        if not self._session.chief:
            return
        train, checkpoints = self._session.recipe.train, self._session.checkpoints
        minutes = (time.monotonic() - self._saved) / 60
        late = train.checkpoint_minutes is not None and minutes >= train.checkpoint_minutes
        if ending or step == self._session.steps:
            checkpoints.save_now(step)
        elif late or step % train.checkpoint_every == 0:
            checkpoints.save(step)
        else:
            return
        self._saved = time.monotonic()

"""A run ends at the first number that is not finite, before a checkpoint could keep it."""

import math

from hrs_keras.errors import NonFiniteError
from hrs_keras.training.session import Session

_WORDS = {"loss": "the loss of", "gradient_norm": "the gradient of"}


def refuse_non_finite(step: int, logs: dict[str, float], session: Session) -> None:
    """Look at every loss and every gradient's norm of a step.

    With a loss scale above 1 (``mixed_float16``) a gradient may overflow: its player then left the step out and halved
    the scale. The run ends only if the scale has come down to 1.

    Raises:
        NonFiniteError: one is NaN or infinite.
    """
    broken = [name for name, value in logs.items() if not math.isfinite(value)]
    if not broken:
        return
    scaled = {f"gradient_norm/{player.name}" for player in session.trainer.players if player.loss_scale > 1}
    broken = [name for name in broken if name not in scaled]
    if not broken:
        return
    what = [f"{_WORDS.get(kind, kind)} {of}" for kind, _, of in (name.partition("/") for name in broken)]
    player = session.trainer.player_of(broken[0].partition("/")[2])
    raise NonFiniteError(
        f"step {step}: not finite: {', '.join(what)}. The last good checkpoint is"
        f" {session.checkpoints.latest or '(none yet)'}. Look at the data of this step, or lower train.learning_rate"
        f" (first of all for {player}), in a new run: name=NAME"
    )

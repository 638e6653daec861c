"""What a run says of its players before their first step."""

from collections.abc import Iterator

from hrs_keras.method.players import Player, count_numbers
from hrs_keras.method.trainer import Trainer
from hrs_keras.recipe.train import Train


def announce(trainer: Trainer, train: Train) -> Iterator[str]:
    """A line for each player, with what its optimizer does beside the paper's Adam, and one for a warm-up.

    Args:
        trainer: whose players.
        train: the section of its recipe.
    """
    for player in trainer.players:
        yield f"{player.name}: {', '.join(_of_player(player, train))}"
    if train.warmup:
        yield f"learning rates rise over {train.warmup} steps and decay over the other {train.steps - train.warmup}"


def _of_player(player: Player, train: Train) -> Iterator[str]:
    yield f"{player.parameters:,} parameters"
    yield f"learning rate {getattr(train.learning_rate, player.kind):g}"
    if player.fresh:
        yield f"{player.fresh_factor:g} times that for the {count_numbers(player.fresh):,} that are not pretrained"
    if clip := getattr(train.clip_norm, player.kind):
        yield f"gradients clipped to a norm of {clip:g}"
    if decay := getattr(train.weight_decay, player.kind):
        yield f"weight decay {decay:g}"
    if player.average is not None:
        yield f"validated and exported with weights averaged by {player.average.decay:g}"

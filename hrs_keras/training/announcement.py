"""What a run says of its players, and of what they minimise, before their first step."""

from collections.abc import Iterator

from hrs_keras.method.players import Player, count_numbers
from hrs_keras.method.trainer import Trainer
from hrs_keras.recipe.schema import Recipe
from hrs_keras.recipe.train import Train


def announce(trainer: Trainer, recipe: Recipe) -> Iterator[str]:
    """A line for each player, with what its optimizer does beside the paper's Adam, for a warm-up and class weights.

    Args:
        trainer: whose players.
        recipe: that it was built for.
    """
    train = recipe.train
    for player in trainer.players:
        yield f"{player.name}: {', '.join(_of_player(player, train))}"
    if train.warmup:
        yield f"learning rates rise over {train.warmup} steps and decay over the other {train.steps - train.warmup}"
    if trainer.class_weights is not None:
        for domain, weights in trainer.class_weights.weights.items():
            named = zip(recipe.data.label_space.classes, weights, strict=True)
            yield f"weights of the classes, {domain}: {', '.join(f'{name} {weight:.2g}' for name, weight in named)}"


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
    if "teacher" in player.averages:
        yield f"its teacher's weights averaged by {player.averages['teacher'].decay:g}"

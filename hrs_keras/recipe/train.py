"""The ``train`` section of a recipe."""

from typing import Literal

from pydantic import model_validator

from hrs_keras.recipe.types import Index, NonNegative, Positive, PositiveInt, Section


class LearningRate(Section):
    """Initial learning rate of each kind of player."""

    encoder: Positive
    weighting: Positive
    generator: Positive
    discriminator: Positive


class ClipNorm(Section):
    """Largest norm of all gradients together, of each kind of player; None for any."""

    encoder: Positive | None = None
    weighting: Positive | None = None
    generator: Positive | None = None
    discriminator: Positive | None = None


class Train(Section):
    """The training loop."""

    steps: PositiveInt
    batch_size: PositiveInt
    accumulate: PositiveInt = 1
    schedule: Literal["shared", "alternating"]
    learning_rate: LearningRate
    decay_power: NonNegative
    clip_norm: ClipNorm = ClipNorm()
    log_every: PositiveInt
    validate_every: PositiveInt
    checkpoint_every: PositiveInt
    checkpoint_minutes: Positive | None = None
    keep_checkpoints: PositiveInt
    pictures: Index
    selection_images: Index

    @model_validator(mode="after")
    def _whole_parts(self) -> "Train":
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate: a batch_size of {self.batch_size} cannot be taken in {self.accumulate} equal parts"
            )
        return self

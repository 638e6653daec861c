"""The ``train`` section of a recipe."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from hrs_keras.recipe.types import Index, NonNegative, Number, Positive, PositiveInt, Section

AverageDecay = Annotated[float, Field(gt=0, lt=1), Number]


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


class WeightDecay(Section):
    """Decoupled weight decay of each kind of player (Loshchilov & Hutter 2019); 0 for none."""

    encoder: NonNegative = 0.0
    weighting: NonNegative = 0.0
    generator: NonNegative = 0.0
    discriminator: NonNegative = 0.0


class InitFrom(NamedTuple):
    """``init_from``: a run folder, and which of its checkpoints."""

    run: Path
    which: str

    @classmethod
    def parse(cls, text: str) -> "InitFrom":
        """Take ``RUN``, ``RUN:best`` or ``RUN:last`` apart; without a word it is the best."""
        run, _, which = text.rpartition(":")
        if not run or which not in ("best", "last"):
            run, which = text, "best"
        return cls(Path(run).expanduser(), which)


class Train(Section):
    """The training loop.

    The keys with a default came later: the default is what recipes without the key mean.
    """

    steps: PositiveInt
    batch_size: PositiveInt
    source_ratio: Positive = 1.0
    accumulate: PositiveInt = 1
    schedule: Literal["shared", "alternating"]
    learning_rate: LearningRate
    fresh_factor: Positive = 1.0
    warmup: Index = 0
    decay_power: NonNegative
    clip_norm: ClipNorm = ClipNorm()
    weight_decay: WeightDecay = WeightDecay()
    average: AverageDecay | None = None
    log_every: PositiveInt
    validate_every: PositiveInt
    checkpoint_every: PositiveInt
    checkpoint_minutes: Positive | None = None
    keep_checkpoints: PositiveInt
    pictures: Index
    selection_images: Index
    init_from: str | None = None

    @field_validator("init_from")
    @classmethod
    def _names_a_run(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("wants a run folder, such as runs/first or runs/first:last, found an empty text")
        return text

    @property
    def initial(self) -> InitFrom | None:
        """The run whose weights are begun with; None to begin with fresh ones."""
        return None if self.init_from is None else InitFrom.parse(self.init_from)

    def predicted_at_once(self, replicas: int) -> int:
        """How many images networks are shown at once, on each replica, where no gradient is taken.

        A single one takes a slow kernel on CPUs without AVX-512 (docs/benchmarks.md). To predict two images takes no
        more memory than to train on one.
        """
        return max(1, min(4, 2 * self.batch_size // (replicas * self.accumulate)))

    def images(self, domain: str) -> int:
        """How many images of a domain, ``source`` or ``target``, a step reads, over all replicas."""
        return round(self.source_ratio * self.batch_size) if domain == "source" else self.batch_size

    @model_validator(mode="after")
    def _whole_images(self) -> "Train":
        wanted = self.source_ratio * self.batch_size
        if self.images("source") < 1 or abs(self.images("source") - wanted) > 1e-6:
            raise ValueError(
                f"source_ratio: {self.source_ratio:g} times a batch_size of {self.batch_size} is {wanted:g} source"
                " images in a step; set both so that it is a whole number"
            )
        return self

    @model_validator(mode="after")
    def _whole_parts(self) -> "Train":
        for what, images in (
            (f"a batch_size of {self.batch_size}", self.batch_size),
            (f"the {self.images('source')} source images of a step (source_ratio)", self.images("source")),
        ):
            if images % self.accumulate:
                raise ValueError(f"accumulate: {what} cannot be taken in {self.accumulate} equal parts")
        return self

    @model_validator(mode="after")
    def _warm_before_the_end(self) -> "Train":
        if self.warmup >= self.steps:
            raise ValueError(
                f"warmup: {self.warmup} steps leave none of the {self.steps} steps for the decay; set fewer"
            )
        return self

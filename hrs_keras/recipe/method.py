"""The ``method`` section of a recipe."""

from typing import Annotated, Literal, get_args

from pydantic import Field, StrictBool, field_validator, model_validator

from hrs_keras.errors import did_you_mean
from hrs_keras.recipe.mix import Mix
from hrs_keras.recipe.plugins import SOURCE_WEIGHTINGS, TRAINERS
from hrs_keras.recipe.source_weighting import SourceWeighting
from hrs_keras.recipe.trainer_settings import AdversarialSemi, ClassMix, Conservative, Lsd, PixelDA, Road
from hrs_keras.recipe.types import NonNegative, Number, PositiveInt, Section, Share

Level = Literal["pixel", "region", "image"]


WEIGHTING_OF = {"pixelda": "plain", "class_mix": "plain", "adversarial_semi": "none", "road": "plain", "lsd": "plain"}
"""Trainer -> the only ``source_weighting`` that it takes; none of these takes the GAN of joint training."""

UNSUPERVISED = ("road", "lsd")
"""Trainers that read no target label."""


class Method(Section):
    """How source pixels teach: the choices in which the compared systems differ."""

    trainer: str
    source_weighting: str
    focal_gamma: NonNegative
    pretrain: Share
    levels: Annotated[list[Level], Field(min_length=1)]
    channels: Literal["shared", "per_class"]
    activation: Literal["sigmoid", "linear"]
    threshold: Literal["mean", "median"]
    gan: StrictBool
    source_loss: Literal["cross_entropy", "conservative"] = "cross_entropy"
    conservative: Conservative = Conservative()
    lambda_source: NonNegative = 1.0
    class_weights: Literal["none", "inverse_sqrt"] = "none"
    lambda_adv: NonNegative
    lambda_rec: NonNegative
    label_noise: Annotated[float, Field(ge=0, lt=0.5), Number]
    weighting_width: PositiveInt
    generator_channels: Annotated[list[PositiveInt], Field(min_length=6, max_length=6)]
    discriminator_channels: Annotated[list[PositiveInt], Field(min_length=6, max_length=6)]
    pixelda: PixelDA
    mix: Mix = Mix()
    class_mix: ClassMix = ClassMix()
    adversarial_semi: AdversarialSemi = AdversarialSemi()
    road: Road = Road()
    lsd: Lsd = Lsd()

    @property
    def selects(self) -> bool:
        """Whether weighting networks are trained, by whose maps the source pixels are selected."""
        return SOURCE_WEIGHTINGS.load_instance(self.source_weighting, SourceWeighting).selects

    @property
    def frozen(self) -> Literal["", "deepest", "stride32"]:
        """Which features are held near those of the pretrained encoder, which is frozen; empty if none are."""
        if self.trainer == "road":
            return self.road.features
        return "deepest" if self.trainer == "class_mix" and self.class_mix.distance else ""

    @property
    def reads_source(self) -> bool:
        """Whether source images are read at all."""
        return SOURCE_WEIGHTINGS.load_instance(self.source_weighting, SourceWeighting).reads_source

    @property
    def reads_unlabelled(self) -> bool:
        """Whether a step reads real images without labels beside those with labels, where there are any of both."""
        return self.learns_without_labels and bool(getattr(TRAINERS.load(self.trainer), "reads_unlabelled", False))

    @property
    def learns_without_labels(self) -> bool:
        """Whether real images teach anything without their labels.

        Of ``trainer: joint`` the weighting networks and the GAN learn from them; of any other trainer it is taken for
        granted.
        """
        return self.trainer != "joint" or self.selects or self.gan

    @field_validator("trainer")
    @classmethod
    def _known_trainer(cls, name: str) -> str:
        if name not in TRAINERS.names():  # not loaded: trainers need TensorFlow
            raise ValueError(f"unknown trainer {name!r}.{did_you_mean(name, TRAINERS.names())}")
        return name

    @field_validator("source_weighting")
    @classmethod
    def _known_source_weighting(cls, name: str) -> str:
        SOURCE_WEIGHTINGS.load_instance(name, SourceWeighting)
        return name

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: list[str]) -> list[str]:
        if len(set(levels)) != len(levels):
            raise ValueError(f"names a level twice: {levels}")
        return [level for level in get_args(Level) if level in levels]

    @model_validator(mode="after")
    def _gan_needs_source(self) -> "Method":
        if self.gan and not self.reads_source:
            raise ValueError(
                f"gan: true aligns two domains, but source_weighting: {self.source_weighting} reads the target alone;"
                " set one of them differently"
            )
        return self

    @model_validator(mode="after")
    def _plain_mixing(self) -> "Method":
        wanted = WEIGHTING_OF.get(self.trainer)
        for key, weighting in ((f"trainer: {self.trainer}", wanted), ("pretrain above 0", self.pretrain and "plain")):
            if weighting and (self.source_weighting != weighting or self.gan):
                raise ValueError(
                    f"{key} wants source_weighting: {weighting} and gan: false, found {self.source_weighting} and"
                    f" {str(self.gan).lower()}"
                )
        if wanted and self.pretrain:
            raise ValueError(f"trainer: {self.trainer} reads both domains in every step; set pretrain: 0")
        if self.trainer == "pixelda" and self.lambda_source != 1:
            raise ValueError(f"trainer: pixelda reads no lambda_source, found {self.lambda_source:g}; leave it 1")
        return self

    @model_validator(mode="after")
    def _source_to_learn_from(self) -> "Method":
        if self.source_loss == "conservative" and self.trainer != "joint":
            raise ValueError(f"source_loss: conservative is of trainer: joint, found {self.trainer}")
        if self.source_loss == "conservative" and not self.reads_source:
            raise ValueError("source_loss: conservative wants source images, but source_weighting: none reads none")
        return self

    @model_validator(mode="after")
    def _two_domains_to_mix(self) -> "Method":
        if self.trainer == "class_mix" and self.class_weights != "none":
            raise ValueError(
                "trainer: class_mix wants class_weights: none: they are made of the unmixed images' classes"
            )
        if not self.mix.replace_source:
            return self
        for found, wanted, why in (
            (self.trainer in WEIGHTING_OF, "trainer: joint", f"{self.trainer} has a step of its own"),
            (not self.reads_source, "a source_weighting other than none", "the source is not read"),
            (self.pretrain > 0, "pretrain: 0", "with pretraining no step reads both domains"),
            (self.selects and self.threshold == "median", "threshold: mean", "the median is that of whole images"),
            (self.source_loss != "cross_entropy", "source_loss: cross_entropy", "target pixels are in mixed images"),
            (self.class_weights != "none", "class_weights: none", "they are made of the unmixed images' classes"),
        ):
            if found:
                raise ValueError(f"mix.replace_source: true wants {wanted}: {why}")
        return self

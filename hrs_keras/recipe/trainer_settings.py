"""Sections of ``method`` with the settings of one trainer or loss."""

import math
from typing import Annotated, Literal

from pydantic import Field, StrictBool, field_validator

from hrs_keras.recipe.train import AverageDecay
from hrs_keras.recipe.types import NonNegative, Number, Positive, PositiveInt, Probability, Section, Share

FiveWidths = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]


class PixelDA(Section):
    """Settings of ``trainer: pixelda``: weights of its generator's losses, and the generator."""

    adversarial: NonNegative
    task: NonNegative
    content: NonNegative
    noise: PositiveInt
    channels: PositiveInt
    blocks: PositiveInt


class ClassMix(Section):
    """Settings of ``trainer: class_mix``.

    Attributes:
        confidence: from which probability of its class on a pixel of the teacher's prediction is sure.
        teacher: decay of the average of the segmenter's weights that the teacher is.
        margins: shares of an image's rows, at the top and at the bottom, whose pseudo-labels do not count.
        distance: weight of the distance between the features of source images and the pretrained network's.
        things: names of the classes on which that distance is measured.
    """

    confidence: Probability = 0.968
    teacher: AverageDecay = 0.99
    margins: tuple[Share, Share] = (0.0, 0.0)
    distance: NonNegative = 0.0
    things: list[str] = Field(default_factory=list)

    @field_validator("margins")
    @classmethod
    def _rows_between(cls, margins: tuple[float, float]) -> tuple[float, float]:
        if sum(margins) >= 1:
            raise ValueError(f"leaves no row between them: the shares add up to {sum(margins):g}, want less than 1")
        return margins


class AdversarialSemi(Section):
    """Settings of ``trainer: adversarial_semi``.

    Attributes:
        adversarial: weight of the segmenter's adversarial loss on images with labels.
        adversarial_unlabelled: of that on images without.
        self_taught: weight of the self-taught loss.
        threshold: the prediction of a pixel is its label where the discriminator gives it at least this probability.
        start: share of the steps that come before the first with a self-taught loss.
        judge_unlabelled: whether the discriminator also learns from maps of images without labels.
    """

    adversarial: NonNegative = 0.01
    adversarial_unlabelled: NonNegative = 0.001
    self_taught: NonNegative = 0.1
    threshold: Probability = 0.2
    start: Share = 0.25
    judge_unlabelled: StrictBool = True


class Conservative(Section):
    """Settings of ``source_loss: conservative``; see :func:`hrs_keras.method.losses.conservative`.

    Attributes:
        base: a; the loss is 0 where the true class has the probability 1/a.
        weight: lambda, the loss where it has the probability 1.
    """

    base: Annotated[float, Field(gt=1, allow_inf_nan=False), Number] = math.e
    weight: Positive = 1.0


class Road(Section):
    """Settings of ``trainer: road``.

    Attributes:
        distance: weight of the distance between the features of target images and the pretrained network's.
        domains: weight with which the segmenter works against the domain classifiers.
        cells: of the grid of classifiers, in either direction.
        width: channels of the classifiers' two hidden layers.
        features: of which layer both are taken: ``deepest``, the last convolution's, or ``stride32``, those that the
            deepest score head reads.
    """

    distance: NonNegative = 0.1
    domains: NonNegative = 0.01
    cells: PositiveInt = 3
    width: PositiveInt = 1024
    features: Literal["deepest", "stride32"] = "deepest"


class Lsd(Section):
    """Settings of ``trainer: lsd``.

    Attributes:
        adversarial: weight of the segmenter's side of the domains.
        classes: weight of the classes of rebuilt source images, for the segmenter.
        generator_adversarial: weight of the generator's side of the domains.
        reconstruction: weight of the distance between images and what is rebuilt, for the generator.
        generator_channels: of its first five transposed convolutions.
        discriminator_channels: of its convolutions.
        dropout: in generator and discriminator.
    """

    adversarial: NonNegative = 0.0016
    classes: NonNegative = 0.0016
    generator_adversarial: NonNegative = 0.1
    reconstruction: NonNegative = 1.0
    generator_channels: FiveWidths = (256, 512, 256, 128, 64)
    discriminator_channels: PositiveInt = 128
    dropout: Share = 0.5

"""Sections of ``method`` with the settings of one trainer or loss."""

import math
from typing import Annotated

from pydantic import Field, StrictBool

from hrs_keras.recipe.train import AverageDecay
from hrs_keras.recipe.types import NonNegative, Number, Positive, PositiveInt, Probability, Section, Share


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
    """

    confidence: Probability = 0.968
    teacher: AverageDecay = 0.99


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

"""The networks, and the one place that builds them from a recipe."""

from dataclasses import dataclass

import keras

from hrs_keras.models import encoders
from hrs_keras.models.adapter import adapter
from hrs_keras.models.discriminator import discriminator
from hrs_keras.models.fcn8s import fcn8s
from hrs_keras.models.generator import generator
from hrs_keras.models.weighting import weighting_network
from hrs_keras.recipe.schema import Encoder, Recipe

__all__ = [
    "Networks",
    "adapter",
    "build_networks",
    "build_segmenter",
    "discriminator",
    "fcn8s",
    "generator",
    "weighting_network",
]


@dataclass(frozen=True)
class Networks:
    """The players' networks; those a recipe does not ask for are absent."""

    segmenter: keras.Model
    weighting: dict[str, keras.Model]
    generator: keras.Model | None
    discriminator: keras.Model | None


def build_segmenter(recipe: Recipe, *, pretrained: bool = False) -> keras.Model:
    """E+S of a recipe, with fresh weights.

    Args:
        pretrained: also load ``encoder.weights``.

    Raises:
        CheckpointError: they cannot be loaded.
    """
    encoder = _build_encoder(recipe.encoder)
    if pretrained and recipe.encoder.weights is not None:
        encoders.load_vgg16_classifier(encoder, recipe.encoder.weights)
    return fcn8s(encoder, len(recipe.data.label_space.classes))


def build_networks(recipe: Recipe) -> Networks:
    """Every network that a recipe's method trains.

    Initial weights depend on ``recipe.seed`` and ``encoder.weights`` alone.

    Raises:
        CheckpointError: ``encoder.weights`` cannot be loaded.
    """
    keras.utils.set_random_seed(recipe.seed)
    method, num_classes = recipe.method, len(recipe.data.label_space.classes)
    segmenter = build_segmenter(recipe, pretrained=True)
    learned = method.source_weighting == "learned"
    channels = num_classes if method.channels == "per_class" else 1
    return Networks(
        segmenter=segmenter,
        weighting={
            level: weighting_network(level, num_classes, channels, method.weighting_width, method.activation)
            for level in (method.levels if learned else ())
        },
        generator=_build_generator(recipe, segmenter),
        discriminator=discriminator(method.discriminator_channels)
        if method.gan or method.trainer == "pixelda"
        else None,
    )


def _build_generator(recipe: Recipe, segmenter: keras.Model) -> keras.Model | None:
    method = recipe.method
    if method.trainer == "pixelda":
        settings = method.pixelda
        return adapter(tuple(recipe.data.size), settings.noise, settings.channels, settings.blocks)
    if not method.gan:
        return None
    stride = encoders.DEEPEST_STRIDE[recipe.encoder.family]
    return generator(segmenter.output["features"].shape[-1], stride, method.generator_channels)


def _build_encoder(spec: Encoder) -> keras.Model:
    if spec.family == "vgg16":
        return encoders.vgg16(spec.width, spec.fc, spec.dropout, spec.preprocessing)
    return encoders.resnet(spec.width, tuple(spec.blocks), spec.preprocessing)

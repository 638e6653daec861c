"""The networks of a recipe, and the one place that builds them."""

from dataclasses import dataclass, replace

import keras

from hrs_keras.errors import RecipeError
from hrs_keras.models.adapter import adapter
from hrs_keras.models.discriminator import discriminator
from hrs_keras.models.fcn8s import Heads, fcn8s
from hrs_keras.models.generator import generator
from hrs_keras.models.global_state import precision_policy, seeded
from hrs_keras.models.grid_classifiers import grid_classifiers
from hrs_keras.models.lsd import class_discriminator, skip_generator
from hrs_keras.models.weighting import weighting_network
from hrs_keras.recipe.encoder import FEATURES, Encoder
from hrs_keras.recipe.schema import Recipe


@dataclass(frozen=True)
class Networks:
    """The networks that a recipe's method trains (Section 3.3); None or empty where it trains no such network.

    Attributes:
        segmenter: E and S, see :func:`hrs_keras.models.fcn8s.fcn8s`.
        weighting: level -> W, see :func:`hrs_keras.models.weighting.weighting_network`.
        generator: G, see :func:`hrs_keras.models.generator.generator`; PixelDA's generator with ``trainer: pixelda``,
            see :func:`hrs_keras.models.adapter.adapter`.
        discriminator: D, see :func:`hrs_keras.models.discriminator.discriminator`; with ``trainer: adversarial_semi``
            it judges probability maps, see :func:`hrs_keras.models.weighting.weighting_network`; with ``trainer: road``
            it is :func:`hrs_keras.models.grid_classifiers.grid_classifiers`; G and D of ``trainer: lsd`` are in
            :mod:`hrs_keras.models.lsd`.
        frozen: the encoder with its pretrained weights, down to the features that are held near them; see
            :attr:`hrs_keras.recipe.method.Method.frozen`.
        fresh: those of the segmenter's trainable variables that hold no pretrained weights.
    """

    segmenter: keras.Model
    weighting: dict[str, keras.Model]
    generator: keras.Model | None
    discriminator: keras.Model | None
    fresh: tuple[keras.Variable, ...]
    frozen: keras.Model | None = None


def build_segmenter(recipe: Recipe, *, pretrained: bool = False) -> keras.Model:
    """E and S of a recipe with fresh weights, computing in ``recipe.precision``.

    The weights depend on Python's ``random``; :func:`build_networks` seeds it.

    Args:
        recipe: from :func:`hrs_keras.load_recipe`.
        pretrained: also load ``encoder.weights``.

    Returns:
        See :func:`hrs_keras.models.fcn8s.fcn8s`.

    Raises:
        CheckpointError: ``encoder.weights`` cannot be loaded.
    """
    return _build_segmenter(recipe, pretrained)[0]


def _build_segmenter(recipe: Recipe, pretrained: bool) -> tuple[keras.Model, tuple[keras.Variable, ...]]:
    """E and S, and those of their trainable variables that no pretrained weights were loaded into."""
    with precision_policy(recipe):
        encoder = _build_encoder(recipe.encoder)
        filled = _load_weights(recipe.encoder, encoder) if pretrained and recipe.encoder.weights is not None else []
        heads = Heads(recipe.encoder.heads, recipe.encoder.head_scales)
        segmenter = fcn8s(encoder, len(recipe.data.label_space.classes), heads)
        held = {id(variable) for layer in filled for variable in layer.variables}
        return segmenter, tuple(v for v in segmenter.trainable_variables if id(v) not in held)


def build_networks(recipe: Recipe) -> Networks:
    """Every network that a recipe's method trains, computing in ``recipe.precision``.

    Initial weights depend on ``recipe.seed`` and ``encoder.weights`` alone. Random numbers that the caller draws and
    the dtype policy are as if this had not been called.

    Raises:
        CheckpointError: ``encoder.weights`` cannot be loaded.
    """
    # The order in which networks are built decides their initial weights: it must not change.
    with seeded(recipe.seed), precision_policy(recipe):
        segmenter, fresh = _build_segmenter(recipe, pretrained=True)
        weighting, generator = build_weighting(recipe), _build_generator(recipe, segmenter)
        networks = Networks(segmenter, weighting, generator, _build_discriminator(recipe, segmenter), fresh)
        return replace(networks, frozen=_build_frozen(recipe)) if recipe.method.frozen else networks


def build_weighting(recipe: Recipe) -> dict[str, keras.Model]:
    """Level -> W of a recipe with fresh weights, computing in ``recipe.precision``; empty where none is trained."""
    method, num_classes = recipe.method, len(recipe.data.label_space.classes)
    if not method.selects:
        return {}
    channels = num_classes if method.channels == "per_class" else 1
    with precision_policy(recipe):
        return {
            level: weighting_network(level, num_classes, channels, method.weighting_width, method.activation)
            for level in method.levels
        }


def _build_generator(recipe: Recipe, segmenter: keras.Model) -> keras.Model | None:
    method = recipe.method
    if method.trainer == "pixelda":
        settings = method.pixelda
        return adapter(recipe.data.size, settings.noise, settings.channels, settings.blocks)
    if method.trainer == "lsd":
        features = {name: segmenter.output[name].shape[-1] for name in ("stride32", "stride16", "stride8")}
        return skip_generator(features, method.lsd.generator_channels, method.lsd.dropout)
    if not method.gan:
        return None
    return generator(segmenter.output["features"].shape[-1], recipe.encoder.deepest_stride, method.generator_channels)


def _build_frozen(recipe: Recipe) -> keras.Model:
    """The encoder down to the features that are held near its own, pretrained throughout."""
    encoder = _build_encoder(recipe.encoder)
    held = {id(variable) for layer in _load_weights(recipe.encoder, encoder) for variable in layer.variables}
    frozen = keras.Model(encoder.inputs[0], encoder.output[recipe.method.frozen], name="frozen")
    frozen.trainable = False
    if fresh := [variable.path for variable in frozen.weights if id(variable) not in held]:
        raise RecipeError(
            f"method.trainer: {recipe.method.trainer} holds the encoder near its pretrained weights, but"
            f" encoder.weights: {recipe.encoder.weights} does not fill {', '.join(fresh)}; choose weights that fill the"
            " whole encoder"
        )
    return frozen


def _build_discriminator(recipe: Recipe, segmenter: keras.Model) -> keras.Model | None:
    method = recipe.method
    if method.trainer == "road":
        deepest = method.road.features == "deepest"
        stride = recipe.encoder.deepest_stride if deepest else 32
        size = [side // stride for side in recipe.data.size]
        channels = segmenter.output["features" if deepest else "stride32"].shape[-1]
        return grid_classifiers((size[0], size[1]), channels, method.road.cells, method.road.width)
    classes = len(recipe.data.label_space.classes)
    if method.trainer == "lsd":
        return class_discriminator(classes, method.lsd.discriminator_channels, method.lsd.dropout)
    if method.trainer == "adversarial_semi":  # the same layers as those of a weighting network
        return weighting_network("pixel", classes, 1, method.weighting_width, "linear")
    return discriminator(method.discriminator_channels) if method.gan or method.trainer == "pixelda" else None


def _build_encoder(encoder: Encoder) -> keras.Model:
    network = encoder.build()
    outputs = network.output if isinstance(network.output, dict) else {}
    if missing := [name for name in FEATURES if name not in outputs]:
        raise RecipeError(
            f"encoder.family: {type(encoder).__name__}.build() of the family {encoder.family!r} gives the outputs"
            f" {sorted(outputs)}; it must also give {', '.join(missing)}"
        )
    return network


def _load_weights(encoder: Encoder, network: keras.Model) -> list[keras.layers.Layer]:
    filled = encoder.load_weights(network)
    if not isinstance(filled, list):
        raise RecipeError(
            f"encoder.family: {type(encoder).__name__}.load_weights() of the family {encoder.family!r} returns"
            f" {filled!r}; it must return the list of layers that it has filled"
        )
    return filled

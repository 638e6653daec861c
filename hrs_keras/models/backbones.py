"""What encoders from Keras' libraries share: features of a backbone, and frozen batch normalisation."""

from collections.abc import Callable, Mapping

import keras

from hrs_keras.errors import CheckpointError
from hrs_keras.models.folding import fold_batch_norm, fold_padding


def with_weights(build: Callable[..., keras.Model], weights: str, name: str, advice: str) -> keras.Model:
    """A network of ``keras.applications`` with pretrained weights.

    Args:
        build: called as ``build(weights=weights)``.
        weights: ``"imagenet"`` or a file.
        name: of the network, for the message.
        advice: what to do without the weights, for the message.

    Raises:
        CheckpointError: the file is missing or does not fit, or the download failed.
    """
    try:
        return build(weights=weights)
    except Exception as error:  # Keras: bare Exception for a failed download, ValueError or OSError for a file
        what = "cannot download the ImageNet weights" if weights == "imagenet" else f"cannot load {weights!r}"
        raise CheckpointError(f"encoder.weights: {what} of {name} ({error}). {advice}") from error


def pyramid(backbone: keras.Model, features: Mapping[str, keras.KerasTensor]) -> keras.Model:
    """A backbone with several of its inner outputs; its layers are the backbone's own.

    Convolutions compute the zero padding that they read, and the frozen batch normalisation that reads them
    (:mod:`hrs_keras.models.folding`): freeze it before (:func:`freeze_batch_norm`).

    Args:
        backbone: a functional model from images, whose sides are multiples of 32, to features.
        features: ``stride8``, ``stride16``, ``stride32`` and ``deepest`` -> the output of a layer of the backbone.
    """
    fold_padding(backbone, features.values())
    fold_batch_norm(backbone, features.values())
    return keras.Model(backbone.input, dict(features), name="pyramid")


def encoder_of(inner: keras.Model, inputs: tuple[keras.KerasTensor, keras.KerasTensor], name: str) -> keras.Model:
    """An encoder as :meth:`hrs_keras.recipe.encoder.Encoder.build` returns it.

    Args:
        inner: from :func:`pyramid`.
        inputs: from :func:`hrs_keras.models.layers.image_input`.
        name: of the encoder.
    """
    image, x = inputs
    return keras.Model(image, inner(x), name=name)


def freeze_batch_norm(model: keras.Model) -> None:
    """Batch normalisation keeps its statistics, scale and offset, and uses them in training, too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            freeze_batch_norm(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def last_of_each_stride(backbone: keras.Model) -> dict[str, keras.KerasTensor]:
    """``stride8``, ``stride16``, ``stride32`` -> the last output that is so many times smaller than the image.

    Args:
        backbone: a functional model whose layers stand in the order in which they are computed.
    """
    outputs = [layer.output for layer in backbone.layers if isinstance(layer.output, keras.KerasTensor)]
    side = 256
    shapes = keras.Model(backbone.input, outputs).compute_output_shape((1, side, side, 3))
    last = {side // shape[1]: output for output, shape in zip(outputs, shapes, strict=True) if len(shape) == 4}
    return {f"stride{stride}": last[stride] for stride in (8, 16, 32)}

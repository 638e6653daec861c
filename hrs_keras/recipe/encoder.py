"""The ``encoder`` section of a recipe: what every family of encoders has in common.

A family is a class derived from :class:`Encoder`, in a file of its own that :data:`hrs_keras.recipe.plugins.ENCODERS`
finds (``hrs_keras/models/encoders/`` or outside of the package). The class holds the family's settings, which are the
valid keys of the recipe's section, and builds the family's network.
"""

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ModelWrapValidatorHandler, PrivateAttr, field_validator, model_validator

from hrs_keras.errors import RecipeError
from hrs_keras.recipe.plugins import ENCODERS
from hrs_keras.recipe.types import Positive, Section

if TYPE_CHECKING:  # a recipe is read without Keras, whose import takes seconds
    import keras

FEATURES = ("stride8", "stride16", "stride32", "deepest")
"""The outputs of every encoder."""

UNREAD = "(unread)"
"""Under this key a recipe's tree carries settings of the old form that the family does not have; see ``old_forms``."""

Preprocessing = Literal["caffe", "unit", "bytes"]
"""``caffe``: BGR in [0, 255] less the ImageNet mean. ``unit``: the image as it is, RGB in [-1, 1]. ``bytes``: RGB in
[0, 255]."""

BatchNorm = Literal["auto", "frozen", "trained"]
"""``frozen``: batch normalisation keeps the pretrained statistics, scale and offset, as small batches want it.
``trained``: it learns. ``auto``: frozen with pretrained weights, trained without."""


class Encoder(Section):
    """The convolutional part of the segmentation network: settings, network and pretrained weights of a family.

    A family overrides :attr:`deepest_stride` and :meth:`build`, and adds settings of its own as pydantic fields with
    defaults.

    Attributes:
        family: the name of the plugin; see :data:`hrs_keras.recipe.plugins.ENCODERS`.
        weights: where pretrained weights are from, such as ``"imagenet"`` or a file; None to start from random ones.
            A family that has pretrained weights overrides :meth:`load_weights`; others refuse anything but None.
        heads: how the 1x1 score heads on the features start: at ``zero``, as those of FCN8s do (Long et al. 2015), or
            at ``random`` (Glorot uniform), as recipes without the key did.
        head_scales: what the features are multiplied by before the heads of stride 32, 16 and 8 score them. FCN8s
            "all at once" (Long et al. 2017) has 1, 0.01 and 0.0001, for VGG16's features of growing magnitude.
    """

    family: str
    weights: str | None = None
    heads: Literal["zero", "random"] = "random"
    head_scales: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    _unread: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Encoder) and self.model_dump() == other.model_dump()

    @property
    def unread(self) -> dict[str, Any]:
        """Settings that a stored recipe of the old form has and the family does not: only digests are taken of them."""
        return self._unread

    @property
    def origin(self) -> str:
        """From what the network starts, in words for pages and model cards: from scratch, or from which weights.

        A family that knows weights by names of their own overrides this for them. Of a file it is the name, not where
        the file was on somebody's machine.
        """
        if self.weights is None:
            return "from scratch (random weights)"
        if self.weights == "imagenet":
            return "from ImageNet weights"
        return f"from the weights in {PurePath(self.weights).name}"

    def describe(self) -> str:
        """The encoder in words, for pages and model cards: its family, its settings, and from what it starts.

        Settings with the family's defaults are left out, so that one that is added later changes no text.
        """
        settings = self.model_dump(mode="json", exclude={"family", "weights"}, exclude_defaults=True)
        listed = ", ".join(f"{name} {value}" for name, value in settings.items())
        return f"{self.family}{f' ({listed})' if listed else ''}, {self.origin}"

    @property
    def deepest_stride(self) -> int:
        """How many times smaller than the image the output ``deepest`` is: a power of two up to 64."""
        raise NotImplementedError(f"{type(self).__name__} does not say its deepest_stride")

    def build(self) -> "keras.Model":
        """The network with fresh weights, which Python's ``random`` decides.

        Returns:
            A functional model from ``image`` [B, H, W, 3] float32 in [-1, 1], H and W multiples of 32, to a dictionary
            of features, each with its own number C of channels: ``stride8`` [B, H/8, W/8, C], ``stride16``
            [B, H/16, W/16, C] and ``stride32`` [B, H/32, W/32, C], which FCN8s scores, and ``deepest`` [B, H/s, W/s, C]
            with s = ``deepest_stride``: the last convolutional features, from which the generator rebuilds the image.
        """
        raise NotImplementedError(f"{type(self).__name__} does not build a network")

    def load_weights(self, model: "keras.Model") -> "list[keras.layers.Layer]":
        """Fill a model from :meth:`build` with the pretrained weights that ``weights`` names.

        Returns:
            The layers that are filled now; the others keep their fresh weights, and learn ``train.fresh_factor`` times
            as fast.

        Raises:
            CheckpointError: they cannot be loaded.
        """
        raise NotImplementedError(f"{type(self).__name__} has no pretrained weights")

    def freezes(self, batch_norm: BatchNorm) -> bool:
        """Whether batch normalisation is frozen, for a family that has some."""
        return batch_norm == "frozen" or (batch_norm == "auto" and self.weights is not None)

    @classmethod
    def variant(cls, given: Any) -> type["Encoder"]:
        """The family's class for a section as it stands in the recipe; this class itself if there is no such family."""
        if cls is not Encoder or not isinstance(given, dict):
            return cls
        try:
            return ENCODERS.load_class(given.get("family"), Encoder)
        except RecipeError:
            return Encoder

    @model_validator(mode="wrap")
    @classmethod
    def _as_its_family(cls, given: Any, validate: ModelWrapValidatorHandler["Encoder"]) -> "Encoder":
        if cls is not Encoder or not isinstance(given, dict):
            return validate(given)
        family = cls.variant(given)
        if family is not Encoder:
            encoder = family.model_validate({key: value for key, value in given.items() if key != UNREAD})
            encoder._unread = given.get(UNREAD, {})
            return encoder
        # Without a family nobody can say which other keys are valid: the message is to be about the family alone.
        return validate({key: given[key] for key in ("family",) if key in given})

    @field_validator("family")
    @classmethod
    def _known(cls, family: str) -> str:
        if cls is Encoder:
            ENCODERS.load_class(family, Encoder)
        return family

    @model_validator(mode="after")
    def _has_weights(self) -> "Encoder":
        if self.weights is not None and type(self).load_weights is Encoder.load_weights:
            raise ValueError(
                f"weights={self.weights!r}: there are no pretrained weights for the family {self.family}; set"
                " weights: null"
            )
        return self

"""The ``method.mix`` section of a recipe: class mix, by which pixels of a source image are put into a target image."""

from pydantic import StrictBool

from hrs_keras.recipe.types import Probability, Section, Share


class Mix(Section):
    """How :mod:`hrs_keras.method.mixing` mixes, and whether joint training does.

    Attributes:
        replace_source: mixed images stand in for the source images (``trainer: joint``).
        classes: share of the classes in a source image whose pixels are taken, rounded up to whole classes.
        colour: by which share brightness, contrast, saturation and hue of a mixed image change at most.
        blur: share of the mixed images that are blurred.
    """

    replace_source: StrictBool = False
    classes: Probability = 0.5
    colour: Share = 0.2
    blur: Probability = 0.5

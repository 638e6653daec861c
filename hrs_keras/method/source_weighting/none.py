"""``none``: no source image is read, the target teaches alone."""

from hrs_keras.recipe.source_weighting import SourceWeighting


class NoSource(SourceWeighting):
    """The target alone."""

    reads_source = False


PLUGIN = NoSource()

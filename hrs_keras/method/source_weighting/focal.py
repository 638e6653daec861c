"""``focal``: the focal loss (Lin et al. 2017), one of the compared systems of Table 1."""

from hrs_keras.recipe.source_weighting import SourceWeighting


class Focal(SourceWeighting):
    """Pixels count the less, the surer the segmenter is of their true class."""

    def weights(self, source, method):
        """In [0, 1], with a gradient; see :func:`hrs_keras.method.losses.focal_modulation`."""
        from hrs_keras.method.losses import focal_modulation

        return focal_modulation(source.labels, source.logits, method.focal_gamma)


PLUGIN = Focal()

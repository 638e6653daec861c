"""``mask``: the 0-1 confidence mask, one of the compared systems of Table 1."""

from hrs_keras.recipe.source_weighting import SourceWeighting


class ConfidenceMask(SourceWeighting):
    """Pixels of whose true class the segmenter is surer than it is on average in their image."""

    def weights(self, source, method):
        """0 or 1; see :func:`hrs_keras.method.selection.confidence_mask`."""
        from hrs_keras.method.selection import confidence_mask

        return confidence_mask(source.labels, source.logits)


PLUGIN = ConfidenceMask()

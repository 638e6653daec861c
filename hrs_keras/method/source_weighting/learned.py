"""``learned``: hierarchical region selection, the paper's own method (Section 3.1)."""

from hrs_keras.recipe.source_weighting import SourceWeighting


class Learned(SourceWeighting):
    """The hierarchical map H of the weighting networks, in each pixel the channel that weighs it."""

    selects = True

    def weights(self, source, method):
        """0, 1, or with several levels in between (Eq. 3 to 5); carries no gradient."""
        from hrs_keras.method.selection import class_channel, hierarchical_map

        size = source.labels.shape[1:3]
        selection = hierarchical_map(source.scores, size, method.threshold, source.from_source)
        return class_channel(selection, source.labels)


PLUGIN = Learned()

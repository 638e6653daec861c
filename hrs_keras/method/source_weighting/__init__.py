"""Source weightings: one file for each value of ``method.source_weighting``.

A file holds an instance of :class:`hrs_keras.recipe.source_weighting.SourceWeighting` under the name ``PLUGIN``. It is
imported when a recipe is read, so it imports TensorFlow, which takes seconds, only where weights are computed.
"""

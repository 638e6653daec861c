"""Encoders, one file a family: a class derived from :class:`hrs_keras.recipe.encoder.Encoder`, named ``PLUGIN``.

The files are imported when a recipe is read, so they import Keras only where they build a network.
"""

"""Segment with a model that TensorFlow Serving, or whatever speaks its protocols, has loaded."""

from hrs_keras.serving.client import Segmentation, ServingClient
from hrs_keras.serving.transport import ServedModel

__all__ = ["Segmentation", "ServedModel", "ServingClient"]

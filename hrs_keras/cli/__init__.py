"""The ``hrs`` command."""

from hrs_keras.cli.main import main

__all__ = ["main"]

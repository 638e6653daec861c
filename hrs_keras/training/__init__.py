"""A training run, from its data to an exported model."""

"""From trained weights to a SavedModel and to the formats of other runtimes."""

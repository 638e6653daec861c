"""Run folders: their records, checkpoints and weights."""

"""Experiments: grids of systems, settings and seeds, run where results are missing and reported as tables."""

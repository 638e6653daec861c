"""Evaluation on real labelled images."""

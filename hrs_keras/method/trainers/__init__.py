"""Trainers: one file for each value of ``method.trainer``, with the class under the name ``PLUGIN``."""

"""Describing images one by one, by what a finished run makes of them (``hrs rank``)."""

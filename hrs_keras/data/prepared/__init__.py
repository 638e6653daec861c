"""Data sets as shards of records at the size of training: ``hrs prepare``."""

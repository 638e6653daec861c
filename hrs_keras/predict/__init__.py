"""Predictions for files: images and videos in, label maps out."""

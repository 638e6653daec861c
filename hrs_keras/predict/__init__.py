"""Predictions for images and videos."""

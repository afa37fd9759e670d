"""Metrics of predicted poses against the ground truth."""

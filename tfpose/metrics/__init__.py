"""Scores of predicted poses against the truth."""

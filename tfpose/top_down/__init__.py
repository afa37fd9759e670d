"""Heatmap nets for one person in a box."""

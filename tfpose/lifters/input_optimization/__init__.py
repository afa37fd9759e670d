"""Optimisation of what a lifter is given, in place of what it says."""

__all__ = []

"""Data sets of 2D and 3D poses as they lie on disk."""

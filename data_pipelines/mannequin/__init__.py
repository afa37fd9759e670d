"""Posed, shaded, clothed bodies with exact 2D and 3D keypoints, from a seed."""

"""Lifters: nets from normalised 2D keypoints of one person to 3D positions."""

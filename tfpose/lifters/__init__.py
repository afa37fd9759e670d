"""Lifters: normalised 2D keypoints of one person in, 3D positions out."""

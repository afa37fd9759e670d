"""Encoding of keypoints as heatmaps, and decoding of heatmaps to keypoints."""

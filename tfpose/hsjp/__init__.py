"""HSJP: heatmap-style jigsaw puzzles as pretraining for 2D pose nets.

Zhang et al., "Learning Heatmap-Style Jigsaw Puzzles Provides Good Pretraining for
2D Human Pose Estimation", arXiv 2012.07101.
"""

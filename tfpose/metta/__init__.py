"""MeTTA: 2D pose nets that adapt to one photo by inpainting it.

Hu et al., "Fast Adaptation for Human Pose Estimation via Meta-Optimization", CVPR 2024.
"""

__all__ = []

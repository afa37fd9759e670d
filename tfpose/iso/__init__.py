"""Inference stage optimization (ISO): lifters that adapt to the poses they are given.

Zhang, Nie and Feng, NeurIPS 2020 (arXiv:2007.02054).
"""

__all__ = []

"""Layers and losses of discriminators, and pools of generated samples."""

__all__ = []

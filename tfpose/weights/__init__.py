"""Weights on disk: `.keras` files, presets, and imported PyTorch checkpoints."""

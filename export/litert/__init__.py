"""Nets as `.tflite` files: `python -m export.litert`."""

"""Nets as `.tflite` files: `python -m export.litert`."""

from tfpose.parts import need

need("ai_edge_litert")
need("ai_edge_quantizer")

__all__ = []

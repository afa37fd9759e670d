"""The commands of `python -m tfpose`: `predict`, `evaluate` and others."""

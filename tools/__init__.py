"""Programs for those who work on tfpose itself."""

__all__ = []

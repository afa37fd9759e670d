"""Data sets as they lie on disk: a reader for each, one table of people for all."""

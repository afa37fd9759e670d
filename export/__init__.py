"""Trained nets as something that other people's runtimes execute."""

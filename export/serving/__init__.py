"""Nets on TF Serving: what the server reads, and a client for it."""

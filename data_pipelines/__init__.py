"""Datasets on disk -> people, pixels and tf.data pipelines."""

"""Datasets on disk -> people, pixels and tf.data pipelines."""

# Before anything else imports TensorFlow: quietly.
import tfpose  # noqa: F401

__all__ = []

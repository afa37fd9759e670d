"""One runnable file per method, and the engine that runs them."""

import os

# The engine is tf.distribute's: only an explicit wish comes before it.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# Before anything else imports TensorFlow: quietly.
import tfpose  # noqa: E402, F401

__all__ = []

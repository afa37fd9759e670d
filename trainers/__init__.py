"""One runnable file per method, and the engine that runs them."""

import os

# Before anything imports TensorFlow, which prints pages otherwise; 0 shows them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The engine is tf.distribute's: only an explicit wish comes before it.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

__all__ = []

"""Imports Keras and its backend without TensorFlow's greetings."""

import os
import sys
import tempfile

__all__ = ["import_keras"]

# TensorFlow 2.21 prints these whatever TF_CPP_MIN_LOG_LEVEL says.
_GREETINGS = (
    "All log messages before absl::InitializeLog()",
    "oneDNN custom operations are on",
)


def import_keras() -> None:
    """Keeps those two greetings off stderr, on which programs show their errors.

    Whatever else comes up during the import is shown after it. Does nothing where
    Keras has been imported already.
    """
    if "keras" in sys.modules:
        return
    # Also here: Bazel leaves out the package's `__init__` where nothing names it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    try:
        shown = os.dup(2)
    except OSError:  # A service may run without stderr.
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import keras  # noqa: F401
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines(keepends=True):
                if not any(greeting in line for greeting in _GREETINGS):
                    sys.stderr.write(line)

"""Imports Keras and its backend without TensorFlow's log lines."""

import os
import sys
import tempfile

from tfpose.parts import need

__all__ = ["import_keras"]

# TensorFlow 2.21 logs these at every TF_CPP_MIN_LOG_LEVEL.
_SUPPRESSED = (
    "All log messages before absl::InitializeLog()",
    "oneDNN custom operations are on",
)


def import_keras() -> None:
    """Imports Keras without these two lines on stderr, where programs print errors.

    All other output of the import is printed after it. Does nothing where Keras has
    been imported already.

    Raises:
        MissingPart: Keras is to compute with TensorFlow, which is not installed.
    """
    if "keras" in sys.modules:
        return
    # Also set here: Bazel leaves out the package's `__init__` where no target names it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    try:
        original = os.dup(2)
    except OSError:  # A service may run without stderr.
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            import keras  # noqa: F401
        except ModuleNotFoundError as error:
            need(error.name or "")
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            captured.seek(0)
            text = captured.read().decode(errors="replace")
            for line in text.splitlines(keepends=True):
                if not any(suppressed in line for suppressed in _SUPPRESSED):
                    sys.stderr.write(line)

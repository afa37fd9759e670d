"""Human pose estimation for TensorFlow and Keras 3.

    from tfpose import load_predictor

    people = load_predictor()("photo.jpg")

Importing the package registers its layers and models, so that
`keras.saving.load_model` can read the `.keras` files it wrote.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfpose.api import load_predictor

# TensorFlow logs lines about the processor's instructions when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _is_program() -> bool:
    """Whether this import is part of the command `tfpose` or `python -m tfpose`."""
    name = next(iter(getattr(sys, "argv", [])), "")
    # While Python looks for the module, the program's name is "-m".
    if name != "-m":
        return os.path.basename(name) in ("tfpose", "tfpose.exe")
    if "-m" not in sys.orig_argv:
        return False
    return sys.orig_argv[sys.orig_argv.index("-m") + 1] == "tfpose"


# The commands import what they need, so that `--help` does not wait for Keras.
if not _is_program():
    from tfpose.quiet_keras import import_keras

    import_keras()
    from tfpose.weights import registered_nets  # noqa: F401

__version__ = "0.1.0"
__all__ = ["__version__", "load_predictor"]


def __getattr__(name: str) -> Any:
    """Imports what reads photos and videos only when it is asked for."""
    if name == "load_predictor":
        from tfpose.api import load_predictor

        return load_predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

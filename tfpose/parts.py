"""Libraries that are not installed with tfpose, and what to type to get them."""

import importlib.util
import sys
from types import TracebackType

from tfpose.errors import InputError

__all__ = ["MissingPart", "need"]

_LITERT = "LiteRT", "ai-edge-litert ai-edge-quantizer"
# By the module that is imported: what it is called, and what pip is to install.
_PARTS = {
    "tensorflow": ("TensorFlow", "tensorflow-cpu tensorboard"),
    "ai_edge_litert": _LITERT,
    "ai_edge_quantizer": _LITERT,
    # Its wheel asks for a package named tensorflow, which breaks tensorflow-cpu.
    "tensorflow_serving": ("TF Serving's API", "--no-deps tensorflow-serving-api"),
}


class MissingPart(InputError, ImportError):
    """A library is not installed; the message says what to type."""


def need(module: str) -> None:
    """Checks that a part is installed, before it is imported.

    Programs import it before they can catch anything, so the message is then shown as
    `error: <message>`, without a traceback and with exit code 2.

    Args:
        module: the name to import; one without an entry in this file is not checked.

    Raises:
        MissingPart: it is not installed.
    """
    if module not in _PARTS or importlib.util.find_spec(module) is not None:
        return
    name, packages = _PARTS[module]
    sys.excepthook = _one_line
    raise MissingPart(f"{name} is not installed; type: pip install {packages}")


def _one_line(
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    if issubclass(kind, MissingPart):
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.__excepthook__(kind, error, traceback)

"""What a net knows about itself beside its weights, as it travels in its file."""

import json
from typing import Any

from tfpose.errors import InputError

__all__ = ["info_text"]


def info_text(info: dict[str, Any]) -> str:
    """As JSON: Keras would wrap the dict and the lists in it.

    Raises:
        InputError: it cannot be written so.
    """
    try:
        return json.dumps(info)
    except TypeError as error:
        raise InputError(f"info cannot be written as JSON: {error}") from error

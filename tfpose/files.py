"""Files that are written whole or not at all."""

import contextlib
import os
import pathlib
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np

from tfpose.errors import InputError

__all__ = ["write_picture", "write_whole"]

Result = TypeVar("Result")


def write_whole(path: pathlib.Path, write: Callable[[pathlib.Path], Result]) -> Result:
    """Writes a file aside, then renames it: readers see the old or the new one.

    Args:
        path: where the file shall be.
        write: gets a path with the same suffix in the same folder.

    Raises:
        InputError: the disk is full or cannot be written to; what was there before is
            still there.
    """
    aside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        result = write(aside)
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
        return result
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        reason = error.strerror or str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be written: {reason}; nothing saved was lost"
        ) from None


def write_picture(path: pathlib.Path, picture: np.ndarray) -> None:
    """Writes uint8 RGB `[H, W, 3]` as PNG, whole.

    Raises:
        InputError: the disk is full or cannot be written to.
    """
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_whole(path, lambda aside: aside.write_bytes(encoded.tobytes()))

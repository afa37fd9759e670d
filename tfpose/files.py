"""Atomic writing of files: a file is written completely or not at all."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np

from tfpose.errors import InputError

__all__ = ["new_folder", "usable_folder", "write_picture", "write_whole"]

Result = TypeVar("Result")


def new_folder(path: str | os.PathLike) -> pathlib.Path:
    """The folder, if nothing is in it; else the first such of `path2`, `path3`, ...

    So what an earlier run wrote is not overwritten. It is not made, see
    `usable_folder`.
    """
    folder, number = pathlib.Path(path), 1
    while True:
        try:
            if not any(folder.iterdir()):
                return folder
        except OSError:
            # There is none, or none that can be read: whoever writes there is told.
            return folder
        number += 1
        folder = pathlib.Path(f"{os.fspath(path).rstrip(os.sep)}{number}")


def write_whole(path: pathlib.Path, write: Callable[[pathlib.Path], Result]) -> Result:
    """Writes a file under a temporary name, then renames it.

    Readers get the old file or the new one, never a part of it.

    Args:
        path: the file to write.
        write: function that writes to the path given to it, which is in the same folder
            and has the same suffix.

    Returns:
        The result of `write`.

    Raises:
        InputError: the disk is full or cannot be written to; the old file is unchanged.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        result = write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        return result
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        reason = error.strerror or str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be written: {reason}; nothing saved was lost"
        ) from None


def usable_folder(path: str | os.PathLike) -> pathlib.Path:
    """A folder for results, made if need be; to be asked for before the work.

    Raises:
        InputError: it cannot be made or written to.
    """
    folder = pathlib.Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{folder}: cannot be written: {reason}") from None


def write_picture(path: pathlib.Path, picture: np.ndarray) -> None:
    """Writes uint8 RGB `[H, W, 3]`, atomically: JPEG if the name says so, else PNG.

    Raises:
        InputError: the disk is full or cannot be written to.
    """
    kind = ".jpg" if path.suffix == ".jpg" else ".png"
    _, encoded = cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_whole(path, lambda temporary: temporary.write_bytes(encoded.tobytes()))

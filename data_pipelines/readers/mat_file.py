"""MATLAB files, and one line about what is wrong with one."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.io

from tfpose.errors import InputError

__all__ = ["mat_numbers", "read_mat"]

_HDF5 = b"\x89HDF"


def read_mat(
    path: str | os.PathLike, names: Sequence[str], structs: bool = False
) -> dict[str, Any]:
    """Variables of a MATLAB file (version 4 to 7.2).

    Args:
        path: the file.
        names: variables that it must hold; others are not read.
        structs: whether structs and cells become dicts and lists (an array of one
            struct becomes the dict itself, an empty one an empty array).

    Raises:
        InputError: no such file, not a MATLAB file, damaged, or without a variable.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == _HDF5:
                raise InputError(
                    f"{path}: a MATLAB file of version 7.3 (HDF5), expected one of "
                    "version 7 or before, as published"
                )
            content = scipy.io.loadmat(
                file, simplify_cells=structs, variable_names=[*names]
            )
    except InputError:
        raise
    # Damaged bytes raise whatever the line of the parser that trips over them does.
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path}: not readable: {error.strerror}") from None
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path}: not readable as a MATLAB file: {type(error).__name__} {reason}"
        ) from None
    for name in names:
        if name not in content:
            variables = scipy.io.whosmat(path)
            found = ", ".join(variable[0] for variable in variables) or "nothing"
            raise InputError(f"{path}: no variable {name!r}, found {found}")
    return content


def mat_numbers(
    content: dict[str, Any], name: str, shape: Sequence[int | None], path: str
) -> np.ndarray:
    """A variable as float64 array.

    Args:
        content: what `read_mat` found.
        name: of the variable.
        shape: its sizes, None for any. A missing last axis, which MATLAB does not
            store when it is 1, is put back.
        path: for the message.

    Raises:
        InputError: no numbers, or another shape.
    """
    array = np.asarray(content[name])
    found = f"{array.dtype} {list(array.shape)}"
    if array.ndim == len(shape) - 1:
        array = array[..., None]
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "biuf":
        wanted = ", ".join("N" if size is None else str(size) for size in shape)
        raise InputError(f"{path}: {name!r} is {found}, expected numbers [{wanted}]")
    return array.astype(np.float64)

"""NumPy arrays out of pickles, running nothing of what they say.

VideoPose3D's npz files hold dicts of arrays, which NumPy itself reads only with
`allow_pickle=True`: whoever wrote the file then decides what runs. 3DPW's files are
pickles as they are. Both are read by the machine of `tfpose/weights/pickle_reader.py`,
which is allowed to make arrays, and nothing else.
"""

import math
import os
import pickle
import zipfile
from collections.abc import Sequence
from typing import Any, BinaryIO, cast

import numpy as np

from tfpose.errors import InputError
from tfpose.weights.pickle_reader import BrokenPickle, Inert, read_pickle

__all__ = ["read_archive", "read_array_pickle"]

# Kinds of element that are no more than their bytes; O is a list of things.
_KINDS = "biufcSUO"


def read_archive(
    path: str | os.PathLike, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Arrays of an npz file; one that holds a single object becomes that object.

    Args:
        path: the file.
        names: arrays that it must hold; others are not read. Defaults to all.

    Returns:
        By name: arrays, or what `np.load(...)[name].item()` would be, with an
        `Inert` where the file has an object of another kind.

    Raises:
        InputError: no such file, not an npz file, damaged, or an array is missing.
    """
    path = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                name.removesuffix(".npy"): name
                for name in archive.namelist()
                if name.endswith(".npy")
            }
            for name in names or ():
                if name not in members:
                    found = ", ".join(members) or "nothing"
                    raise InputError(f"{path}: no array {name!r}, found {found}")
            content = {}
            for name in names or members:
                with archive.open(members[name]) as file:
                    content[name] = _read_array(cast(BinaryIO, file))
            return content
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror or error}") from None
    except (zipfile.BadZipFile, BrokenPickle, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: not readable as an npz file: {reason}") from None
    except NotImplementedError as error:
        raise InputError(f"{path}: not readable as an npz file: {error}") from None


def read_array_pickle(path: str | os.PathLike) -> Any:
    """Plain containers, numbers, texts and arrays of a pickle file.

    Pickles of Python 2 are read as with `encoding="latin1"`.

    Raises:
        InputError: no such file, or not a pickle, or a damaged one.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            return _read_objects(file)
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror or error}") from None
    except BrokenPickle as error:
        raise InputError(f"{path}: not readable as a pickle: {error}") from None


def _read_array(file: BinaryIO) -> Any:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"array format {version[0]}.{version[1]} is not known")
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read_header(file)
    if not dtype.hasobject:
        data = file.read(math.prod(shape) * dtype.itemsize)
        array = np.frombuffer(data, dtype, math.prod(shape))
        return array.reshape(shape, order="F" if fortran else "C")
    content = _read_objects(file)
    if isinstance(content, np.ndarray) and content.shape == ():
        return content.item()
    return content


def _read_objects(file: BinaryIO) -> Any:
    def no_storage(name: Any) -> Any:
        raise pickle.UnpicklingError("things outside of the file")

    try:
        return read_pickle(file, _FUNCTIONS, no_storage, _set_state)
    except pickle.UnpicklingError as error:
        raise BrokenPickle(str(error)) from None


class _ElementType:
    """A NumPy dtype under way: its byte order comes as its state."""

    def __init__(self, name: Any, align: Any = False, copy: Any = True) -> None:
        if not isinstance(name, str) or np.dtype(name).kind not in _KINDS:
            raise ValueError(f"arrays of {name!r}")
        self.dtype = np.dtype(name)


def _empty(kind: Any, shape: Any, code: Any) -> np.ndarray:
    if not isinstance(kind, Inert) or kind.name != "numpy.ndarray":
        raise ValueError(f"an array of type {kind!r}")
    return np.empty(0, np.int8)


def _set_state(thing: Any, state: Any) -> None:
    if isinstance(thing, _ElementType):
        if state[1] not in ("<", ">", "|", "=") or state[2:5] != (None,) * 3:
            raise ValueError("an element type that is no plain number")
        thing.dtype = thing.dtype.newbyteorder(state[1])
    elif isinstance(thing, np.ndarray):
        shape, element, fortran, data = state[-4:]
        sizes, dtype = _checked_shape(shape), _checked_dtype(element)
        if dtype.hasobject:
            if not isinstance(data, list) or len(data) != math.prod(sizes):
                raise ValueError("an array of objects without its objects")
        else:
            data = _as_bytes(data)
            if len(data) != math.prod(sizes) * dtype.itemsize:
                raise ValueError(f"{len(data)} bytes for {dtype} {list(sizes)}")
        cast(Any, thing).__setstate__((1, sizes, dtype, bool(fortran), data))


def _scalar(element: Any, data: Any = b"") -> Any:
    return np.frombuffer(_as_bytes(data), _checked_dtype(element), 1)[0]


def _from_buffer(data: Any, element: Any, shape: Any, order: Any) -> np.ndarray:
    array = np.frombuffer(_as_bytes(data), _checked_dtype(element))
    return array.reshape(_checked_shape(shape), order=order)


def _checked_dtype(element: Any) -> np.dtype:
    if not isinstance(element, _ElementType):
        raise ValueError("an array without element type")
    return element.dtype


def _checked_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(
        isinstance(size, int) and size >= 0 for size in shape
    ):
        raise ValueError(f"an array of shape {shape!r:.80}")
    return shape


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, str):  # Python 2's bytes.
        return data.encode("latin-1")
    if not isinstance(data, bytes | bytearray):
        raise ValueError(f"{type(data).__name__} in the place of bytes")
    return bytes(data)


def _encode(text: Any, encoding: Any) -> bytes:
    """What Python 3 writes for bytes where Python 2 is to read them."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes written as {encoding!r}")
    return _as_bytes(text)


_FUNCTIONS = {
    "numpy.dtype": _ElementType,
    "_codecs.encode": _encode,
    "__builtin__.bytes": lambda: b"",
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in (
            ("multiarray._reconstruct", _empty),
            ("multiarray.scalar", _scalar),
            ("numeric._frombuffer", _from_buffer),
        )
    },
}

"""Reading of PyTorch checkpoints without PyTorch and without executing their code.

Both formats of `torch.save` are read: a zip archive with the pickle and one entry per
storage (since PyTorch 1.6), and the older stream of pickles and raw storages. Files are
mapped into memory: a tensor is read from disk when it is used.
"""

import dataclasses
import io
import mmap
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfpose.errors import InputError
from tfpose.weights.pickle_reader import BrokenPickle, Inert, read_pickle

__all__ = ["Checkpoint", "TorchTensor", "read_checkpoint"]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001

# NumPy has no bfloat16; its values, upper halves of float32, are read as integers.
_DTYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

# Keys under which training programs save the net's tensors; the first with any is used.
_KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
    "model_pos",
    "best_state_dict",
    "net",
    "ema",
)


class _Storage:
    """A one-dimensional array, whose position may become known after its name."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind = kind
        self.count = count
        self.dtype = np.dtype(_DTYPES[kind])
        self.data: mmap.mmap | None = None
        self.start = 0

    @property
    def num_bytes(self) -> int:
        return self.count * self.dtype.itemsize

    def locate(self, data: mmap.mmap, start: int, big_endian: bool = False) -> None:
        """Sets the position of the values: byte `start` of the file."""
        if start + self.num_bytes > len(data):
            raise BrokenPickle("a tensor reaches beyond the end of the file")
        self.dtype = self.dtype.newbyteorder(">" if big_endian else "<")
        self.data, self.start = data, start

    def numbers(self, offset: int) -> np.ndarray:
        assert self.data is not None
        start = self.start + offset * self.dtype.itemsize
        return np.frombuffer(self.data, self.dtype, self.count - offset, start)


@dataclasses.dataclass(frozen=True)
class TorchTensor:
    """A tensor in a mapped file.

    Attributes:
        shape: tuple of int.
    """

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def numbers(self) -> np.ndarray:
        """The values, a read-only view of the file; bfloat16 is copied to float32."""
        if 0 in self.shape:
            return np.zeros(self.shape, self.storage.dtype)
        row = self.storage.numbers(self.offset)
        step = row.itemsize
        view = np.lib.stride_tricks.as_strided(
            row, self.shape, [stride * step for stride in self.strides], writeable=False
        )
        if self.storage.kind == "BFloat16Storage":
            return (view.astype(np.uint32) << 16).view(np.float32)
        return view


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint.

    Attributes:
        tensors: the net's tensors by name.
        others: descriptions of the values beside them that are no tensors, by name.
        location: key of the tensors in the file, such as `state_dict`; empty for the
            top.
        notes: strings that the file has under `meta`, such as the program's settings.
    """

    tensors: dict[str, TorchTensor]
    others: dict[str, str]
    location: str
    notes: dict[str, str]


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Reads the tensors by name in a file that `torch.save` wrote.

    Raises:
        InputError: no such file, or the file is not a checkpoint, incomplete, or
            without a net's tensors; names the file.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise InputError(f"{path}: empty file, expected a PyTorch checkpoint")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(
            f"{path}: not readable: {error.strerror}; expected a PyTorch checkpoint"
        ) from None
    try:
        content = _read_zip(data) if data[:2] == b"PK" else _read_stream(data)
    except BrokenPickle as error:
        raise InputError(
            f"{path}: expected a whole PyTorch checkpoint, got: {error}"
        ) from None
    return _find_tensors(content, path)


def _read_zip(data: mmap.mmap) -> Any:
    try:
        with zipfile.ZipFile(io.BufferedReader(_Mapped(data))) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, OverflowError, struct.error):
        raise BrokenPickle("a zip archive without its end; was it cut short?") from None
    roots = [name[: -len("data.pkl")] for name in entries if name.endswith("data.pkl")]
    if len(roots) != 1:
        raise BrokenPickle("a zip archive without a data.pkl")
    root = roots[0]
    start, size = _extent(entries[f"{root}data.pkl"], data)
    big_endian = False
    if f"{root}byteorder" in entries:
        begin, length = _extent(entries[f"{root}byteorder"], data)
        big_endian = data[begin : begin + length] == b"big"
    storages: dict[str, _Storage] = {}

    def storage(name: Any) -> _Storage:
        kind, key, _, count = _storage_name(name)[:4]
        if key not in storages:
            entry = entries.get(f"{root}data/{key}")
            if entry is None:
                raise BrokenPickle(f"no entry data/{key}, which a tensor needs")
            new = _Storage(kind, count)
            begin, length = _extent(entry, data)
            if length < new.num_bytes:
                raise BrokenPickle(f"data/{key} has {length} of {new.num_bytes} bytes")
            new.locate(data, begin, big_endian)
            storages[key] = new
        return storages[key]

    pickle = io.BytesIO(data[start : start + size])
    return read_pickle(pickle, _FUNCTIONS, storage)


def _extent(entry: zipfile.ZipInfo, data: mmap.mmap) -> tuple[int, int]:
    """First byte and number of bytes of a zip entry's data."""
    header = data[entry.header_offset : entry.header_offset + 30]
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise BrokenPickle(f"a zip archive with a wrong position of {entry.filename}")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise BrokenPickle(
            f"a zip archive whose {entry.filename} is compressed; PyTorch's are not"
        )
    name, extra = struct.unpack("<HH", header[26:30])
    start = entry.header_offset + 30 + name + extra
    if start + entry.file_size > len(data):
        raise BrokenPickle(f"{entry.filename} reaches beyond the end of the file")
    return start, entry.file_size


def _read_stream(data: mmap.mmap) -> Any:
    if data[257:262] == b"ustar":
        raise BrokenPickle("a tar archive, which only PyTorch 0.1 wrote")
    if data[:1] != b"\x80":
        raise BrokenPickle("some other file")
    storages: dict[Any, _Storage] = {}

    def storage(name: Any) -> _Storage:
        kind, key, _, count, *view = _storage_name(name)
        if view and view[0] is not None:
            raise BrokenPickle("a storage that is part of another, as in PyTorch 0.3")
        return storages.setdefault(key, _Storage(kind, count))

    if read_pickle(data, {}, _no_storage) != _MAGIC:
        raise BrokenPickle("a pickle that torch.save did not write")
    if read_pickle(data, {}, _no_storage) != _PROTOCOL:
        raise BrokenPickle("an unknown version of the format")
    system = read_pickle(data, {}, _no_storage)
    big_endian = isinstance(system, dict) and system.get("little_endian") is False
    content = read_pickle(data, _FUNCTIONS, storage)
    keys = read_pickle(data, {}, _no_storage)
    if not isinstance(keys, list) or not all(isinstance(k, str | int) for k in keys):
        raise BrokenPickle("tensors without the list of their numbers")
    if set(keys) != storages.keys():
        raise BrokenPickle("tensors without their numbers")
    for key in keys:
        new = storages[key]
        head = data.read(8)
        if len(head) < 8:
            raise BrokenPickle("the file ends before its tensors do")
        # The count is always little-endian, the values are as on the writing machine.
        if struct.unpack("<q", head)[0] != new.count:
            raise BrokenPickle(f"storage {key} of another size than its name says")
        new.locate(data, data.tell(), big_endian)
        data.seek(new.num_bytes, os.SEEK_CUR)
    return content


class _Mapped(io.RawIOBase):
    """A file object for a mapped file, with its own position."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: None}[whence]
        position = (len(self._data) if base is None else base) + offset
        if position < 0:
            raise ValueError("position before the file's start")
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        part = self._data[self._position : self._position + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)


def _no_storage(name: Any) -> Any:
    raise BrokenPickle("a tensor at an unexpected position")


def _storage_name(name: Any) -> tuple:
    """Checks `("storage", class, key, device, count, ...)`; returns all from class."""
    if not isinstance(name, tuple) or len(name) < 5 or name[0] != "storage":
        raise BrokenPickle("an object stored outside of the pickle that is no tensor")
    _, kind, key, device, count, *rest = name
    kind = kind.name.rpartition(".")[2] if isinstance(kind, Inert) else ""
    if kind not in _DTYPES:
        raise BrokenPickle(f"numbers of the unknown type {kind or 'without name'}")
    if not isinstance(key, str | int) or not _is_count(count):
        raise BrokenPickle("a storage without a name or a size")
    return (kind, key, device, count, *rest)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *_: Any
) -> Any:
    counts = [offset, *shape, *strides]
    if not isinstance(storage, _Storage) or not all(map(_is_count, counts)):
        raise BrokenPickle("a tensor with an invalid shape or strides")
    if len(shape) != len(strides) or len(shape) > 32:
        raise BrokenPickle("a tensor with an invalid shape or strides")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.count:
        raise BrokenPickle("a tensor larger than its numbers")
    return TorchTensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _rebuild_from_type(function: Any, _: Any, arguments: Any, *__: Any) -> Any:
    """The plain tensor of a tensor of a subclass, or of one with attributes."""
    known = _FUNCTIONS.get(function.name) if isinstance(function, Inert) else None
    if known is None or known is _rebuild_from_type:
        return Inert("torch._tensor._rebuild_from_type_v2", called=True)
    return known(*arguments)


def _ordered_dict(*items: Any) -> dict:
    """`OrderedDict()`, usually without items, which are then set one by one."""
    result = {key: value for pairs in items for key, value in pairs}
    if not all(isinstance(key, str | int) for key in result):
        raise BrokenPickle("an OrderedDict with keys that are no names")
    return result


# All functions that a checkpoint's pickle may call.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}


def _find_tensors(content: Any, path: str) -> Checkpoint:
    location, values = "", content
    while isinstance(values, dict) and not _has_tensors(values):
        dicts = [key for key in _KEYS if isinstance(values.get(key), dict)]
        usable = [key for key in dicts if _has_tensors(values[key])]
        if not dicts or location.count("."):
            break
        key = (usable or dicts)[0]
        location, values = f"{location}.{key}".lstrip("."), values[key]
    if not isinstance(values, dict) or not _has_tensors(values):
        raise InputError(
            f"{path}: expected a net's tensors by name (a state_dict), got "
            f"{_describe(content)}"
        )
    named = {_text(name): value for name, value in values.items()}
    tensors = {k: v for k, v in named.items() if isinstance(v, TorchTensor)}
    others = {k: _describe(v) for k, v in named.items() if k not in tensors}
    meta = content.get("meta")
    notes = meta if isinstance(meta, dict) else {}
    notes = {k: v for k, v in notes.items() if isinstance(v, str)}
    return Checkpoint(tensors, others, location, notes)


def _has_tensors(values: Mapping) -> bool:
    return any(isinstance(value, TorchTensor) for value in values.values())


def _describe(value: Any) -> str:
    if isinstance(value, Inert):
        kind = "an object of class" if value.called else "the name"
        return f"{kind} {value.name}"
    if isinstance(value, TorchTensor):
        return "a single tensor"
    if isinstance(value, dict):
        keys = ", ".join(_text(key) for key in list(value)[:5])
        return f"a dict of {keys}" if keys else "an empty dict"
    return f"a value of type {type(value).__name__}"


def _text(name: Any) -> str:
    """A key in one printable line."""
    if isinstance(name, str):
        return name if name.isprintable() else ascii(name)
    return str(name) if _is_count(name) else f"<{type(name).__name__}>"

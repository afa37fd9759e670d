"""Checkpoints as `torch.save` writes them, byte for byte where it matters, without
PyTorch; and pickles that say anything at all.
"""

import dataclasses
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "Call",
    "Name",
    "Tensor",
    "legacy_bytes",
    "pickled",
    "write_checkpoint",
    "zip_bytes",
]

_STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


@dataclasses.dataclass(frozen=True)
class Name:
    """A class or function by name."""

    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Call:
    """What a function returns, and is then given as state if that is not None."""

    function: Name
    arguments: tuple
    state: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage (numbers in one row); shape and strides in numbers."""

    storage: np.ndarray
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    kind: str = ""

    @classmethod
    def of(cls, array: np.ndarray) -> "Tensor":
        array = np.ascontiguousarray(array)
        strides = tuple(step // array.itemsize for step in array.strides)
        return cls(array.reshape(-1), array.shape, strides)


def write_checkpoint(
    path: Path, slots: Mapping[str, Any], more: Mapping[str, Tensor]
) -> tuple[str, dict[str, np.ndarray]]:
    """Writes random tensors for all slots of a net, and others; returns the path and
    the slots' tensors.
    """
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.uniform(0.1, 1, slot.shape).astype(np.float32)
        for name, slot in slots.items()
    }
    tensors = {name: Tensor.of(array) for name, array in arrays.items()}
    path.write_bytes(zip_bytes({**tensors, **more}))
    return str(path), arrays


def zip_bytes(value: Any, root: str = "archive") -> bytes:
    """The format of PyTorch 1.6 and later."""
    pickle, storages = pickled(value)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{root}/data.pkl", pickle)
        archive.writestr(f"{root}/byteorder", "little")
        for key, storage in storages.items():
            archive.writestr(f"{root}/data/{key}", storage.tobytes())
        archive.writestr(f"{root}/version", "3\n")
    return buffer.getvalue()


def legacy_bytes(value: Any) -> bytes:
    """The format before."""
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    pickle, storages = pickled(value, (None,))
    parts = [pickled(part)[0] for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [pickle, pickled(list(storages))[0]]
    for storage in storages.values():
        parts += [struct.pack("<q", storage.size), storage.tobytes()]
    return b"".join(parts)


def pickled(value: Any, more: tuple = ()) -> tuple[bytes, dict[str, np.ndarray]]:
    """A pickle of protocol 2, and the storages by key that it refers to; `more` stands
    behind the five parts of a storage's name.
    """
    storages: dict[str, np.ndarray] = {}
    return b"\x80\x02" + _encode(value, storages, more) + b".", storages


def _encode(value: Any, storages: dict[str, np.ndarray], more: tuple) -> bytes:
    def encode(*values: Any) -> bytes:
        return b"".join(_encode(v, storages, more) for v in values)

    if isinstance(value, Tensor):
        return encode(_rebuild(value, storages))
    if isinstance(value, Call):
        made = encode(value.function, value.arguments) + b"R"
        return made if value.state is None else made + encode(value.state) + b"b"
    if isinstance(value, Name):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, _Stored):
        return encode((*value.name, *more)) + b"Q"
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        size = (value.bit_length() + 8) // 8
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return b"X" + struct.pack("<I", len(text)) + text
    if isinstance(value, tuple):
        return b"(" + encode(*value) + b"t"
    if isinstance(value, list):
        return b"](" + encode(*value) + b"e"
    if isinstance(value, dict):
        items = [part for item in value.items() for part in item]
        return b"}(" + encode(*items) + b"u"
    raise TypeError(type(value))


@dataclasses.dataclass(frozen=True)
class _Stored:
    name: tuple


def _rebuild(tensor: Tensor, storages: dict[str, np.ndarray]) -> Call:
    storage = tensor.storage
    key = next((k for k, s in storages.items() if s is storage), str(len(storages)))
    storages[key] = storage
    kind = Name("torch", tensor.kind or _STORAGES[storage.dtype.name])
    stored = _Stored(("storage", kind, key, "cpu", storage.size))
    hooks = Call(Name("collections", "OrderedDict"), ())
    return Call(
        Name("torch._utils", "_rebuild_tensor_v2"),
        (stored, tensor.offset, tensor.shape, tensor.strides, False, hooks),
    )

"""From the tensors of a checkpoint to the variables of a net, and what is wrong with
them."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable

import keras
import numpy as np

from tfpose.errors import InputError
from tfpose.weights.torch_file import TorchTensor
from tfpose.weights.torch_names import Slot

__all__ = ["COUNTER", "Imported", "check_tensors", "file_source", "fill_slots"]

# How the names of PyTorch's counters of batches end, which no net of ours needs.
COUNTER = "num_batches_tracked"

# Tensors of one kind of fault that a message names.
_MAX_LISTED = 5


@dataclasses.dataclass(frozen=True)
class Imported:
    """A net with imported weights.

    Attributes:
        model: pose net or lifter; a bare backbone where the file had no more.
        num_tensors: tensors used.
        num_parameters: numbers in them.
        notes: lines that say what the file is and what was made of it.
    """

    model: keras.Model
    num_tensors: int
    num_parameters: int
    notes: tuple[str, ...]


def check_tensors(
    path: str,
    net: str,
    shapes: dict[str, tuple[int, ...]],
    tensors: dict[str, TorchTensor],
    others: dict[str, str],
    ignored: Iterable[str],
) -> None:
    """Refuses a checkpoint that does not have exactly the net's tensors.

    Args:
        path: of the checkpoint, for the message.
        net: what the net is called in the message.
        shapes: of the net's tensors by name.
        tensors: the checkpoint's by name.
        others: what else it has among them, by name: what it is.
        ignored: names that may be there.

    Raises:
        InputError: tensors are missing, unexpected or of another shape; names the first
            of each and counts them.
    """
    known = {*shapes, *ignored}
    missing = [name for name in shapes if name not in tensors]
    unexpected = [name for name in tensors if name not in known]
    unexpected += [f"{name} ({kind})" for name, kind in others.items()]
    misshapen = [
        f"{name} {_list(tensors[name].shape)} instead of {_list(shape)}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    faults = [
        _count("missing", missing),
        _count("unexpected", unexpected),
        _count("of another shape", misshapen),
    ]
    if any(faults):
        raise InputError(
            f"{path}: does not fit {net}, of {len(shapes)} tensors: "
            + "; ".join(filter(None, faults))
        )


def fill_slots(
    path: str, slots: dict[str, Slot], tensors: dict[str, TorchTensor]
) -> None:
    """Copies one tensor after the other from the file into the net.

    Raises:
        InputError: tensors that are not of floats, or not finite.
    """
    strange = []
    for name, slot in slots.items():
        numbers = tensors[name].numbers()
        if numbers.dtype.kind != "f":
            strange.append(f"{name} of type {numbers.dtype}")
        elif not np.isfinite(numbers).all():
            strange.append(f"{name} with numbers that are not finite")
        else:
            with np.errstate(over="ignore"):
                slot.fill(numbers.astype(np.float32))
    if strange:
        raise InputError(f"{path}: {_count('not usable', strange)}")


def file_source(path: str) -> dict[str, str]:
    """Name and SHA-256 of a file, for the `info` of a net that is made from it."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": os.path.basename(path), "sha256": digest}


def _count(fault: str, names: list[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > _MAX_LISTED else ""
    return f"{len(names)} {fault} ({', '.join(names[:_MAX_LISTED])}{more})"


def _list(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"

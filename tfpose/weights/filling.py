"""Copying of a checkpoint's tensors to the variables of a net, with checks."""

import collections
import dataclasses
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable

import keras
import numpy as np

from tfpose.errors import InputError
from tfpose.weights.torch_file import Checkpoint, TorchTensor, read_checkpoint
from tfpose.weights.torch_names import Slot

__all__ = [
    "Imported",
    "check_tensors",
    "file_source",
    "fill_slots",
    "import_named",
    "is_counter",
    "unwrap",
]

# The end of the names of PyTorch's counters of batches, and of averaged models, which
# our nets do not have.
_COUNTERS = ("num_batches_tracked", "n_averaged")

# Number of tensors that a message names for each kind of problem.
_MAX_LISTED = 5


@dataclasses.dataclass(frozen=True)
class Imported:
    """A net with imported weights.

    Attributes:
        model: pose net or lifter; only a backbone if the file has no head.
        num_tensors: number of tensors used.
        num_parameters: number of values in these tensors.
        notes: lines about the file and the import.
    """

    model: keras.Model
    num_tensors: int
    num_parameters: int
    notes: tuple[str, ...]


def is_counter(name: str) -> bool:
    """Whether a tensor of this name only counts something during training."""
    return name.endswith(_COUNTERS)


def unwrap(
    checkpoint: Checkpoint, knows: Callable[[Iterable[str]], bool]
) -> tuple[Checkpoint, str]:
    """Takes off what wrappers of a net, also nested, put before its tensors' names.

    Such are DataParallel (`module.`), torch.compile (`_orig_mod.`) and programs that
    have the net as a part (`model.`).

    Args:
        checkpoint: as it was read.
        knows: whether any of some names is of the net.

    Returns:
        The checkpoint and the prefix that was taken off; as it was, and "", if no
        prefix of most names leaves names of the net.
    """
    names = [name for name in checkpoint.tensors if not is_counter(name)]
    prefix = ""
    while not knows(name.removeprefix(prefix) for name in names):
        starts = collections.Counter(
            name.removeprefix(prefix).partition(".")[0]
            for name in names
            if name.startswith(prefix) and "." in name.removeprefix(prefix)
        )
        (start, count) = (starts.most_common(1) or [("", 0)])[0]
        if count <= len(names) / 2:
            return checkpoint, ""
        prefix += f"{start}."
    tensors = {k.removeprefix(prefix): v for k, v in checkpoint.tensors.items()}
    others = {k.removeprefix(prefix): v for k, v in checkpoint.others.items()}
    return dataclasses.replace(checkpoint, tensors=tensors, others=others), prefix


def check_tensors(
    path: str,
    net: str,
    shapes: dict[str, tuple[int, ...]],
    tensors: dict[str, TorchTensor],
    others: dict[str, str],
    ignored: Iterable[str],
) -> None:
    """Checks that a checkpoint has exactly the net's tensors.

    Args:
        path: path of the checkpoint, for the message.
        net: name of the net in the message.
        shapes: shapes of the net's tensors by name.
        tensors: the checkpoint's tensors by name.
        others: descriptions of the checkpoint's other values by name.
        ignored: names that may also be present.

    Raises:
        InputError: tensors are missing, unexpected or of another shape; names the first
            of each kind and counts them.
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
    problems = [
        _count("missing", missing),
        _count("unexpected", unexpected),
        _count("of another shape", misshapen),
    ]
    if any(problems):
        raise InputError(
            f"{path}: does not fit {net}, of {len(shapes)} tensors: "
            + "; ".join(filter(None, problems))
        )


def fill_slots(
    path: str, slots: dict[str, Slot], tensors: dict[str, TorchTensor]
) -> None:
    """Copies the tensors of the file into the net, one after the other.

    Args:
        path: path of the checkpoint, for the message.
        slots: the net's variables by the names of their tensors.
        tensors: the checkpoint's tensors by name.

    Raises:
        InputError: tensors that are not of a float type, or not finite.
    """
    unusable = []
    for name, slot in slots.items():
        values = tensors[name].numbers()
        if values.dtype.kind != "f":
            unusable.append(f"{name} of type {values.dtype}")
        elif not np.isfinite(values).all():
            unusable.append(f"{name} with numbers that are not finite")
        else:
            with np.errstate(over="ignore"):
                slot.fill(values.astype(np.float32))
    if unusable:
        raise InputError(f"{path}: {_count('not usable', unusable)}")


def file_source(path: str) -> dict[str, str]:
    """Name and SHA-256 of a file, for the `info` of a net imported from it."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": os.path.basename(path), "sha256": digest}


def _count(problem: str, names: list[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > _MAX_LISTED else ""
    return f"{len(names)} {problem} ({', '.join(names[:_MAX_LISTED])}{more})"


def _list(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def import_named(
    path: str | os.PathLike,
    net: keras.Model,
    slots: dict[str, Slot],
    code: str,
    constants: dict[str, np.ndarray] | None = None,
    unused: Callable[[str], bool] = lambda name: False,
) -> Imported:
    """Imports a checkpoint whose tensors have the names of one code, and no others.

    Args:
        path: file written by `torch.save`, with only the tensors or a training state.
            No code in it is executed.
        net: a new net. Its weights are overwritten, in part even if the file then does
            not fit.
        slots: all of its variables by the names of their tensors.
        code: whose names they are, for the notes.
        constants: tensors of the file that are no variables of the net, by name, and
            what each must be.
        unused: whether a tensor of that name may also be there, and is left out.

    Returns:
        The import, with the net as `model`, whose `info`, if it has one, has the file's
        name and SHA-256 under `source`.

    Raises:
        InputError: the file is not a checkpoint, or tensors are missing, unexpected, of
            another shape or type, not finite, or another constant; names the first of
            each kind and counts them.
    """
    path = os.fspath(path)
    constants = constants or {}
    checkpoint, prefix = unwrap(
        read_checkpoint(path), lambda names: any(name in slots for name in names)
    )
    tensors = checkpoint.tensors
    left_out = [n for n in tensors if unused(n) and not is_counter(n)]
    ignored = [*left_out, *filter(is_counter, tensors)]
    shapes = {name: slot.shape for name, slot in slots.items()}
    shapes |= {name: constant.shape for name, constant in constants.items()}
    info = getattr(net, "info", None)
    label = str((info or {}).get("preset", net.name))
    check_tensors(path, label, shapes, tensors, checkpoint.others, ignored)
    other = [k for k, v in constants.items() if (tensors[k].numbers() != v).any()]
    if other:
        raise InputError(f"{path}: {_count('with other numbers than expected', other)}")
    fill_slots(path, slots, tensors)
    if info is not None:
        net.info = info | {"source": file_source(path)}
    where = f"under {checkpoint.location!r} " if checkpoint.location else ""
    notes = [f"{len(slots)} tensors {where}with the names of {code}"]
    # "a.15.b" is of part "a.15", "a.b" of "a".
    parts = collections.Counter(re.split(r"\.\D", name)[0] for name in left_out)
    if parts:
        counted = ", ".join(f"{part}.* ({count})" for part, count in parts.items())
        notes.append(f"not used: {counted}")
    if prefix:
        notes.append(f"{prefix!r} taken off the tensors' names")
    num_parameters = sum(math.prod(slot.shape) for slot in slots.values())
    return Imported(net, len(slots), num_parameters, tuple(notes))

"""The whole state of a run in one file."""

import dataclasses
import json
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfpose.errors import InputError
from tfpose.files import write_whole
from trainers.engine.workdir import LAST_CHECKPOINT

__all__ = ["Progress", "load_weights", "restore", "save", "save_weights"]


@dataclasses.dataclass
class Progress:
    """Where a run is, beside its weights.

    Attributes:
        step: steps done. Order, augmentation and learning rate are functions of it.
        sums: the current epoch's metrics so far, each summed over steps.
        history: one entry per evaluated epoch.
        best_epoch: the epoch whose weights are in `best.npz`; 0 for none yet.
        best_score: what made it the best, compared from left to right.
        seconds: time spent on steps so far.
        notes: what the last evaluation's metrics rest on.
    """

    step: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best_epoch: int = 0
    best_score: list[float] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = dataclasses.field(default_factory=list)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _write_arrays(
    path: pathlib.Path, variables: Sequence[Any], extra: dict[str, np.ndarray]
) -> None:
    arrays: dict[str, Any] = {f"v{i:05d}": _plain(v) for i, v in enumerate(variables)}
    arrays |= extra

    def write(aside: pathlib.Path) -> None:
        with open(aside, "wb") as file:
            np.savez(file, **arrays)

    write_whole(path, write)


def _plain(variable: Any) -> np.ndarray:
    value = variable.numpy() if hasattr(variable, "numpy") else np.asarray(variable)
    # NumPy has no bfloat16 of its own to store; float32 holds every value of it.
    return value.astype(np.float32) if value.dtype.name == "bfloat16" else value


def _assign(path: pathlib.Path, variables: Sequence[Any]) -> dict[str, Any]:
    try:
        with np.load(path) as arrays:
            names = [name for name in arrays.files if name.startswith("v")]
            values = [arrays[name] for name in sorted(names)]
            extra = json.loads(str(arrays["progress"])) if "progress" in arrays else {}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not a checkpoint that can be read: {error}"
        ) from None
    shapes = [tuple(v.shape) for v in variables]
    if [value.shape for value in values] != shapes:
        raise InputError(f"{path}: the checkpoint is of another net")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return extra


def save(folder: pathlib.Path, model: keras.Model, progress: Progress) -> None:
    """Writes model, optimiser and progress to `last.npz`, replacing it whole.

    Raises:
        InputError: the disk is full; the previous checkpoint is still there.
    """
    extra = {"progress": np.array(json.dumps(dataclasses.asdict(progress)))}
    _write_arrays(folder / LAST_CHECKPOINT, _variables(model), extra)


def restore(folder: pathlib.Path, model: keras.Model) -> Progress:
    """Puts the last checkpoint back; a fresh `Progress` if there is none.

    Raises:
        InputError: the checkpoint is damaged or of another net.
    """
    path = folder / LAST_CHECKPOINT
    if not path.exists():
        return Progress()
    return Progress(**_assign(path, _variables(model)))


def save_weights(folder: pathlib.Path, model: keras.Model) -> None:
    """Writes the model's weights alone to `best.npz`."""
    _write_arrays(folder / "best.npz", model.variables, {})


def load_weights(folder: pathlib.Path, model: keras.Model) -> None:
    """Puts the weights of `best.npz` into the model."""
    _assign(folder / "best.npz", model.variables)

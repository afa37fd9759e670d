"""Reading `.keras` files, and writing small ones."""

import os
import pathlib
import tempfile
import zipfile

import keras
import numpy as np

# These two register models with Keras.
import tfpose.lifters.build
import tfpose.top_down.net  # noqa: F401
from tfpose.errors import InputError
from tfpose.files import write_whole

__all__ = ["load_keras", "save_half"]


def load_keras(path: str) -> keras.Model:
    """The model in a `.keras` file, not compiled.

    Raises:
        InputError: no such file, or not one that Keras can read; names it.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file, expected a .keras model")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises many kinds for what is not its own.
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{path}: expected a .keras model, got: {reason}") from None


def save_half(net: keras.Model, path: pathlib.Path) -> None:
    """Writes a `.keras` file of about half the size, which loads like any other.

    Every weight becomes the nearest number that float16 has (in `net` too), and the
    file is compressed, which then pays. The net still computes in float32.

    Args:
        net: to be saved.
        path: of the file.

    Raises:
        InputError: a weight is beyond float16's range, or the disk is full.
    """
    for weight in net.weights:
        values = keras.ops.convert_to_numpy(weight).astype(np.float32)
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float16).astype(np.float32)
        if not np.isfinite(rounded).all():
            raise InputError(
                f"{weight.path}: expected values within float16's range of 65504, got "
                f"{np.abs(values).max():g}"
            )
        weight.assign(rounded)
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "plain.keras")
        net.save(plain)
        write_whole(path, lambda aside: _compress(plain, aside))


def _compress(source: str, target: pathlib.Path) -> None:
    with (
        zipfile.ZipFile(source) as archive,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as smaller,
    ):
        for name in archive.namelist():
            smaller.writestr(name, archive.read(name))

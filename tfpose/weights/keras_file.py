"""Reading of `.keras` files, and writing of small ones with float16 weights."""

import os
import pathlib
import re
import tempfile
import zipfile

import keras
import numpy as np

import tfpose.weights.registered_nets  # noqa: F401
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.weights.published import local_model

__all__ = ["load_keras", "save_half", "save_small"]


def load_keras(model: str) -> keras.Model:
    """Loads a model, without compiling it.

    Args:
        model: a `.keras` file, its http(s) address, or the name of published weights;
            see `tfpose.weights.published.local_model`.

    Raises:
        InputError: no such file, it cannot be downloaded, or Keras cannot read it;
            names the file.
    """
    path = local_model(model)
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises many types for files that are not its.
        # Keras goes on with the model's whole config.
        reason = re.split(r"\n|\. ", str(error).strip() or repr(error))[0]
        raise InputError(f"{path}: expected a .keras model, got: {reason}") from None


def save_half(net: keras.Model, path: pathlib.Path) -> None:
    """Writes a `.keras` file of about half the size, which loads like any other.

    Every weight is rounded to the nearest float16 value (in `net`, too), after which
    compression is effective. The net still computes in float32.

    Args:
        net: the net to save; its weights are rounded.
        path: the file to write.

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
    save_small(net, path)


def save_small(net: keras.Model, path: pathlib.Path) -> None:
    """Writes a compressed `.keras` file, which loads like any other.

    Raises:
        InputError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        uncompressed = os.path.join(folder, "net.keras")
        net.save(uncompressed)
        write_whole(path, lambda temporary: _compress(uncompressed, temporary))


def _compress(source: str, target: pathlib.Path) -> None:
    with (
        zipfile.ZipFile(source) as archive,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as result,
    ):
        for name in archive.namelist():
            result.writestr(name, archive.read(name))

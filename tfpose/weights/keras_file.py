"""Reading `.keras` files."""

import os

import keras

from tfpose.errors import InputError

__all__ = ["load_keras"]


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

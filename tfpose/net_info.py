"""A net's info: what its file holds beside the layers and weights."""

import json
from typing import Any, Self

import keras

from tfpose.errors import InputError

__all__ = ["BuiltOn", "Informed", "info_text"]


def info_text(info: dict[str, Any]) -> str:
    """The info as JSON text, because Keras would wrap the dict and the lists in it.

    Raises:
        InputError: it cannot be written as JSON.
    """
    try:
        return json.dumps(info)
    except TypeError as error:
        raise InputError(f"info cannot be written as JSON: {error}") from error


class Informed:
    """A net that says of itself what it is, in its `.keras` file.

    Attributes:
        info: a copy of what the file says, such as the skeleton.
    """

    _info_json = "{}"

    @property
    def info(self) -> dict[str, Any]:
        return json.loads(self._info_json)

    @info.setter
    def info(self, info: dict[str, Any]) -> None:
        self._info_json = info_text(info)


class BuiltOn(Informed):
    """An informed net around another one, which its config has in serialised form.

    Attributes:
        part: name of the argument that takes the other one.
    """

    part = "backbone"

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        part = keras.saving.deserialize_keras_object(
            config[cls.part], custom_objects=custom_objects
        )
        return cls(**{**config, cls.part: part})

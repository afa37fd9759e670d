"""The base class of lifters."""

import json
from typing import Any

import keras

from tfpose.net_info import info_text
from tfpose.skeletons import Skeleton

__all__ = ["LiftingNet"]


class LiftingNet(keras.Model):
    """A lifter: takes keypoints `[B, J, 2]`, returns positions `[B, J, 3]`, float32.

    Keypoints are normalised by `tfpose.geometry.normalize_keypoints`. A net that wants
    them centred and scaled to size 1 does that in its first layer, so that whoever
    feeds it need not know. Positions are in metres in the camera's frame, relative to
    the skeleton's root, whose row is zero.

    Subclasses build the layers, and say which is the last that several heads could
    share.

    Attributes:
        skeleton: `tfpose.skeletons.Skeleton` of the J joints.
        dropout: the dropout rate given; None for the default of the class.
        centred: whether the first layer centres keypoints on the root and scales them
            to size 1 (`tfpose.geometry.centre_keypoints`).

    Raises:
        InputError: `info` is not JSON.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        skeleton: Skeleton,
        dropout: float | None,
        info: dict[str, Any] | None,
        dtype: Any,
        name: str,
        centred: bool = False,
        **kwargs: Any,
    ) -> None:
        text = _text(info)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.skeleton = skeleton
        self.dropout = dropout
        self.policy = dtype
        self.centred = centred
        self._info_json = text

    @property
    def info(self) -> dict[str, Any]:
        """A copy of the `info` given (or set since), with task and skeleton."""
        return {
            "task": "lifting",
            **json.loads(self._info_json),
            "skeleton": self.skeleton.to_dict(),
        }

    @info.setter
    def info(self, info: dict[str, Any]) -> None:
        self._info_json = _text(info)

    @property
    def last_shared_layer(self) -> str:
        """Name of a layer: what follows it is the net's head (ISO, section 3.2.1)."""
        raise TypeError(f"{self.name}: has no layer where heads part")

    def get_config(self) -> dict[str, Any]:
        return {
            "skeleton": self.skeleton.to_dict(),
            "dropout": self.dropout,
            "centred": self.centred,
            "info": json.loads(self._info_json),
            "dtype": self.policy.name,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "LiftingNet":
        skeleton = Skeleton.from_dict(config["skeleton"])
        return cls(**{**config, "skeleton": skeleton})


def _text(info: dict[str, Any] | None) -> str:
    # The skeleton is an attribute of the net.
    return info_text({k: v for k, v in (info or {}).items() if k != "skeleton"})

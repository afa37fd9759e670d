"""DEKR's rescoring: how good a pose is, by its shape and its joints' scores."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.logocap.centre_net import as_skeleton
from tfpose.net_info import Informed
from tfpose.skeletons import Skeleton

__all__ = ["PoseScorer"]


@keras.saving.register_keras_serializable(package="tfpose")
class PoseScorer(Informed, keras.Model):
    """Predicts the OKS of poses that a net without boxes has found.

    Takes poses `[P, J, 3]` (x, y in pixels of the photo, score of the joint), returns
    `[P]` float32, about 0..1. People are ranked by that times their own score.

    It sees the joints' scores, and direction and length of links between joints, in
    units of the mean length of two of them (at least a pixel).

    Args:
        skeleton: `Skeleton` of J joints, or its dict.
        links: sequence of pairs of joints' numbers.
        units: two numbers of links.
        hidden: int. Width of the two hidden layers.
        info: dict. Stored in the `.keras` file as JSON.

    Reference: Geng et al., CVPR 2021 (arXiv:2104.02300), and its official code.
    """

    def __init__(
        self,
        skeleton: Skeleton | dict[str, Any],
        links: Sequence[Sequence[int]],
        units: Sequence[int],
        hidden: int = 256,
        info: dict[str, Any] | None = None,
        name: str = "pose_scorer",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.skeleton = as_skeleton(skeleton)
        self.links, self.units = np.array(links, np.int32), list(units)
        self.hidden = hidden
        self.info = {} if info is None else info
        self.layers_in_order = [
            keras.layers.Dense(width, activation, name=f"dense{number}")
            for number, (width, activation) in enumerate(
                ((hidden, "relu"), (hidden, "relu"), (1, None)), start=1
            )
        ]
        width = 3 * len(self.links) + self.skeleton.num_joints
        for layer in self.layers_in_order:
            layer.build((None, width))
            width = layer.units
        self.built = True

    def build(self, input_shape: Any) -> None:
        """Nothing is left to build."""

    def features(self, poses: Any) -> Any:
        """What the layers see of poses `[P, J, 3]`: `[P, 3 * links + J]`."""
        points = poses[..., :2]
        first, second = (ops.take(points, self.links[:, end], axis=1) for end in (0, 1))
        links = first - second
        lengths = ops.sqrt(ops.sum(ops.square(links), axis=-1))
        unit = ops.mean(ops.take(lengths, self.units, axis=1), axis=1)
        unit = ops.maximum(unit, 1.0)[:, None]
        links = ops.reshape(links, (-1, 2 * len(self.links)))
        return ops.concatenate([links / unit, lengths / unit, poses[..., 2]], axis=-1)

    def call(self, poses: Any) -> Any:
        x = self.features(ops.cast(poses, "float32"))
        for layer in self.layers_in_order:
            x = layer(x)
        return x[:, 0]

    def get_config(self) -> dict[str, Any]:
        return {
            "skeleton": self.skeleton.to_dict(),
            "links": self.links.tolist(),
            "units": self.units,
            "hidden": self.hidden,
            "info": self.info,
            "name": self.name,
            "trainable": self.trainable,
        }

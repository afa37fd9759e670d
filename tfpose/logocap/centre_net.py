"""Nets that find everybody by centres and offsets: what LOGO-CAP and DEKR share."""

import abc
from typing import Any, NamedTuple

import keras
from keras import ops

from tfpose.backbones.base import Backbone
from tfpose.codecs.centre_poses import poses_of_offsets
from tfpose.codecs.flip import flip_images
from tfpose.errors import InputError
from tfpose.net_info import BuiltOn
from tfpose.skeletons import Skeleton

__all__ = ["CentreNet", "Dense", "Poses", "as_skeleton"]


class Dense(NamedTuple):
    """What the net sees in every cell of a picture, at stride 4.

    Attributes:
        heatmaps: `[B, h, w, J + 1]`, about 0..1; the last is of people's centres.
        offsets: `[B, h, w, J, 2]` (x, y), cells: a person's centre minus the joint.
        features: `[B, h, w, F]`, what local maps are cut from; None for a net that does
            not adapt poses to the picture.
    """

    heatmaps: Any
    offsets: Any
    features: Any = None


class Poses(NamedTuple):
    """S slots for people, the most certain first.

    Attributes:
        keypoints: `[B, S, J, 2]` (x, y), pixels of the input.
        scores: `[B, S]`, heights of the centres' peaks.
        filled: `[B, S]` bool, whether there is a person. The statistics of batch
            normalisation are of filled slots only.
    """

    keypoints: Any
    scores: Any
    filled: Any


class CentreNet(BuiltOn, keras.Model, abc.ABC):
    """Finds everybody in a picture at once, without boxes.

    Takes RGB pixels 0..255 `[B, H, W, 3]`, uint8 or float, H and W known when the net
    is compiled and multiples of 32. Returns poses `[B, S, J, 3]` (x, y in pixels of the
    input, and the joint's score), and scores of people `[B, S]`, the best centre first;
    a slot without a person has scores of 0.

    What it computes can be had part by part: `dense`, `start_poses`, `adapted`. All
    parts have static shapes and use `keras.ops` only.

    Args:
        skeleton: `Skeleton` of J joints, or its dict.
        backbone: a `Backbone`; all maps that it returns are used. With sides None the
            net takes pictures of any size.
        dense_model: takes pixels 0..255 as float32, returns heatmaps, offsets and, if
            there are any, features at stride 4.
        slots: int. S, the most people that are found.
        threshold: float. Height of a centre's peak from which it is a person.
        info: dict. Stored in the `.keras` file as JSON.
        arguments: dict. What else `get_config` tells of the subclass.
    """

    stride = 4
    levels: tuple[str, ...] = ("none",)
    """How poses can be adapted to the picture, the usual way last. `none`: not at all,
    they are centre and offsets."""
    ranks_by_joints = False
    """Whether the best of poses that lie on each other is that with the highest mean of
    its joints' values, whatever the value of its centre."""

    def __init__(
        self,
        skeleton: Skeleton | dict[str, Any],
        backbone: Backbone,
        dense_model: keras.Model,
        slots: int,
        threshold: float,
        info: dict[str, Any] | None,
        arguments: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.skeleton = as_skeleton(skeleton)
        self.backbone, self.dense_model = backbone, dense_model
        self.slots, self.threshold = slots, threshold
        self.info = {} if info is None else info
        self._arguments = {"slots": slots, "threshold": threshold, **arguments}
        self.built = True

    @abc.abstractmethod
    def find_centres(self, centre_map: Any) -> tuple[Any, Any]:
        """The S highest centres of people.

        Args:
            centre_map: `[B, h, w, 1]`, at stride 4.

        Returns:
            Places `[B, S, 2]` (x, y), pixels, and heights `[B, S]`; 0 for none.
        """

    @abc.abstractmethod
    def joint_values(self, heatmaps: Any, keypoints: Any) -> Any:
        """Values `[B, S, J]` of the joints' heatmaps at `keypoints`.

        Args:
            heatmaps: `[B, h, w, J]`.
            keypoints: `[B, S, J, 2]` (x, y), pixels of the input.
        """

    def build(self, input_shape: Any) -> None:
        """Nothing is left to build."""

    def mirror(self, images: Any) -> Any:
        """Mirror images `[B, H, W, C]` whose maps are mirrored, too, cell by cell."""
        return flip_images(images)

    def dense(self, images: Any, training: bool = False) -> Dense:
        """Heatmaps, offsets and features of pixels 0..255 `[B, H, W, 3]`."""
        height, width = images.shape[1:3]
        if height % 32 or width % 32:
            raise InputError(
                f"the picture has {height} x {width} px, expected multiples of 32"
            )
        heatmaps, offsets, *features = self.dense_model(
            ops.cast(images, "float32"), training=training
        )
        shape = (-1, *offsets.shape[1:3], self.skeleton.num_joints, 2)
        return Dense(heatmaps, ops.reshape(offsets, shape), *features)

    def start_poses(self, dense: Dense) -> Poses:
        """The highest centres and what offsets say of their joints; no gradients."""
        centre_map = ops.stop_gradient(dense.heatmaps[..., -1:])
        offsets = ops.stop_gradient(dense.offsets)
        centres, scores = self.find_centres(centre_map)
        keypoints = poses_of_offsets(offsets, centres, self.stride)
        return Poses(keypoints, scores, scores >= self.threshold)

    def adapt(self, dense: Dense, poses: Poses, level: str) -> tuple[Any, Any]:
        """Keypoints `[B, S, J, 2]` and values `[B, S, J]` at one of `levels`."""
        return poses.keypoints, self.joint_values(
            dense.heatmaps[..., :-1], poses.keypoints
        )

    def adapted(
        self, dense: Dense, poses: Poses, level: str | None = None
    ) -> tuple[Any, Any]:
        """Poses `[B, S, J, 3]` and scores `[B, S]`, as calling the net gives them.

        Args:
            dense: of the picture.
            poses: of any number of slots.
            level: one of `levels`; the last one if None.
        """
        keypoints, values = self.adapt(dense, poses, level or self.levels[-1])
        filled = ops.cast(poses.filled, values.dtype)
        values = values * (poses.scores * filled)[..., None]
        return ops.concatenate([keypoints, values[..., None]], axis=-1), ops.mean(
            values, axis=-1
        )

    def call(self, images: Any, training: bool = False) -> tuple[Any, Any]:
        dense = self.dense(images, training)
        return self.adapted(dense, self.start_poses(dense))

    def get_config(self) -> dict[str, Any]:
        return {
            "skeleton": self.skeleton.to_dict(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            **self._arguments,
            "info": self.info,
            "dtype": self.dtype_policy.name,
            "name": self.name,
            "trainable": self.trainable,
        }


def as_skeleton(skeleton: Skeleton | dict[str, Any]) -> Skeleton:
    """A skeleton of itself or of its dict."""
    if isinstance(skeleton, Skeleton):
        return skeleton
    return Skeleton.from_dict(skeleton)

"""LOGO-CAP's network: a picture in, everybody's poses out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from tfpose.backbones.base import Backbone
from tfpose.codecs.centre_poses import find_centres, poses_of_offsets, upsample
from tfpose.errors import InputError
from tfpose.logocap.attraction import best_places, refine_windows, weighted_peaks
from tfpose.logocap.expansion import (
    expand_poses,
    gaussian_window,
    joint_scales,
    sample_features,
    sample_windows,
)
from tfpose.logocap.heads import dense_model
from tfpose.logocap.message_passing import MessagePassing
from tfpose.net_info import Informed
from tfpose.skeletons import Skeleton

__all__ = ["LEVELS", "Dense", "LogoCapNet", "Poses", "Refined"]

LEVELS = ("none", "partial", "full")
"""How poses are adapted to the picture. `none`: not at all, they are centre and
offsets. `partial`: each joint moves to the best place of its local map. `full`: to the
peak of its refined heatmap."""


class Dense(NamedTuple):
    """What the net sees in every cell of a picture, at stride 4.

    Attributes:
        heatmaps: `[B, h, w, J + 1]`, about 0..1; the last is of people's centres.
        offsets: `[B, h, w, J, 2]` (x, y), cells: a person's centre minus the joint.
        features: `[B, h, w, F]`, what local maps are cut from.
    """

    heatmaps: Any
    offsets: Any
    features: Any


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


class Refined(NamedTuple):
    """Poses adapted to the picture.

    Attributes:
        expansion: `[B, S, k, k, J, 2]` (x, y), pixels: places of the local maps.
        attraction: `[B, S, k, k, J]`, about 0..1, as the layers return it.
        heatmaps: `[B, S, n, n, J]`, refined, a pixel per cell, centred at the joints of
            the given poses.
        keypoints: `[B, S, J, 2]` (x, y), pixels of the input.
        values: `[B, S, J]`, scores of the joints; a score of a person's centre is not
            in them.
    """

    expansion: Any
    attraction: Any
    heatmaps: Any
    keypoints: Any
    values: Any


@keras.saving.register_keras_serializable(package="tfpose")
class LogoCapNet(Informed, keras.Model):
    """Finds everybody in a picture at once, without boxes.

    Takes RGB pixels 0..255 `[B, H, W, 3]`, uint8 or float, H and W known when the net
    is compiled and multiples of 32. Returns poses `[B, S, J, 3]` (x, y in pixels of the
    input, and the joint's score), and scores of people `[B, S]`, the best centre first;
    a slot without a person has scores of 0.

    What it computes can be had part by part: `dense`, `start_poses`, `refine`. All
    parts have static shapes and use `keras.ops` only.

    Args:
        skeleton: `Skeleton` of J joints with OKS sigmas, or its dict.
        backbone: a `Backbone` of stride 4; all maps that it returns are used. The
            published one is `HRNet((None, None, 3), width=32, all_branches=True)`. With
            sides None the net takes pictures of any size.
        slots: int. S, the most people that are found.
        feature_filters: int. F.
        heat_filters: int. Channels before the heatmaps. Defaults to the backbone's at
            stride 4.
        offset_filters: int. Channels before the offsets.
        message_filters: three ints, see `MessagePassing`.
        affines: int, see `AttentiveNorm`.
        radius: int. Of local maps: k = 2 * radius + 1 places each way.
        window_radius: int. Of windows of heatmaps: n = 2 * window_radius + 1 pixels.
        window_sigma: float. Standard deviation of the Gaussian by which windows are
            multiplied, pixels.
        threshold: float. Height of a centre's peak from which it is a person.
        info: dict. Stored in the `.keras` file as JSON.
        dtype: Keras dtype policy of backbone's and hidden layers. Outputs, and what is
            computed of them, are float32.

    Raises:
        InputError: the skeleton has no sigmas, or the backbone's stride is not 4.

    Reference: Xue et al., "Learning Local-Global Contextual Adaptation for Multi-Person
    Pose Estimation", CVPR 2022 (arXiv:2109.03622).
    """

    stride = 4

    def __init__(
        self,
        skeleton: Skeleton | dict[str, Any],
        backbone: Backbone,
        slots: int = 30,
        feature_filters: int = 64,
        heat_filters: int | None = None,
        offset_filters: int = 256,
        message_filters: Sequence[int] = (512, 256, 128),
        affines: int = 20,
        radius: int = 5,
        window_radius: int = 48,
        window_sigma: float = 16.0,
        threshold: float = 0.01,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        name: str = "logocap",
        **kwargs: Any,
    ) -> None:
        if not isinstance(skeleton, Skeleton):
            skeleton = Skeleton.from_dict(skeleton)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(name=name, dtype=policy, **kwargs)
        joints = skeleton.num_joints
        self.joint_scales = joint_scales(skeleton)
        self.skeleton = skeleton
        self.backbone = backbone
        self.slots = slots
        self.radius, self.window_radius = radius, window_radius
        self.window_sigma, self.threshold = window_sigma, threshold
        self.info = {} if info is None else info
        self.dense_model = dense_model(
            backbone, joints, feature_filters, heat_filters, offset_filters, policy
        )
        self.message_passing = MessagePassing(
            joints, message_filters, affines, name="message_passing", dtype=policy
        )
        side = 2 * radius + 1
        self.message_passing.build((None, side, side, joints * feature_filters))
        self._window = gaussian_window(window_radius, window_sigma)
        self._arguments = {
            "slots": slots,
            "feature_filters": feature_filters,
            "heat_filters": heat_filters,
            "offset_filters": offset_filters,
            "message_filters": list(message_filters),
            "affines": affines,
            "radius": radius,
            "window_radius": window_radius,
            "window_sigma": window_sigma,
            "threshold": threshold,
        }
        self.built = True

    def build(self, input_shape: Any) -> None:
        """Nothing is left to build."""

    def dense(self, images: Any, training: bool = False) -> Dense:
        """Heatmaps, offsets and features of pixels 0..255 `[B, H, W, 3]`."""
        height, width = images.shape[1:3]
        if height % 32 or width % 32:
            raise InputError(
                f"the picture has {height} x {width} px, expected multiples of 32"
            )
        outputs = self.dense_model(ops.cast(images, "float32"), training=training)
        heatmaps, offsets, features = outputs
        shape = (-1, *offsets.shape[1:3], self.skeleton.num_joints, 2)
        return Dense(heatmaps, ops.reshape(offsets, shape), features)

    def start_poses(self, dense: Dense) -> Poses:
        """The highest centres and what offsets say of their joints; no gradients."""
        centre_map = ops.stop_gradient(dense.heatmaps[..., -1:])
        offsets = ops.stop_gradient(dense.offsets)
        centre_map = upsample(centre_map, self.stride)[..., 0]
        centres, scores = find_centres(centre_map, self.slots)
        keypoints = poses_of_offsets(offsets, centres, self.stride)
        return Poses(keypoints, scores, scores >= self.threshold)

    def attract(
        self, dense: Dense, poses: Poses, training: bool = False
    ) -> tuple[Any, Any]:
        """The local maps of poses: `expansion` and `attraction` of `Refined`."""
        expansion = expand_poses(poses.keypoints, self.joint_scales, self.radius)
        features = sample_features(dense.features, expansion, self.stride)
        slots, side, _, joints, channels = features.shape[1:]
        # Each pose is a sample.
        features = ops.reshape(features, (-1, side, side, joints * channels))
        attraction = self.message_passing(
            features, training=training, counted=ops.reshape(poses.filled, (-1,))
        )
        return expansion, ops.reshape(attraction, (-1, slots, side, side, joints))

    def refine(self, dense: Dense, poses: Poses, training: bool = False) -> Refined:
        """Adapts poses, of any number of slots, to the picture.

        Attraction maps are clipped to 0..1 before they are used, but not in training.
        """
        expansion, attraction = self.attract(dense, poses, training)
        windows = sample_windows(
            dense.heatmaps[..., :-1], poses.keypoints, self.window_radius, self.stride
        )
        kernels = attraction if training else ops.clip(attraction, 0, 1)
        heatmaps = refine_windows(windows * self._window, kernels)
        keypoints, values = weighted_peaks(heatmaps, poses.keypoints)
        return Refined(expansion, attraction, heatmaps, keypoints, values)

    def adapted(self, dense: Dense, poses: Poses, level: str = "full") -> Any:
        """Poses `[B, S, J, 3]` and scores `[B, S]`, as calling the net gives them.

        Args:
            dense: of the picture.
            poses: of any number of slots.
            level: one of `LEVELS`.
        """
        if level == "none":
            keypoints = poses.keypoints
            values = sample_windows(dense.heatmaps[..., :-1], keypoints, 0, self.stride)
            values = values[..., 0, 0]
        elif level == "partial":
            expansion, attraction = self.attract(dense, poses)
            keypoints, values = best_places(expansion, ops.clip(attraction, 0, 1))
        else:
            refined = self.refine(dense, poses)
            keypoints, values = refined.keypoints, refined.values
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

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "LogoCapNet":
        backbone = keras.saving.deserialize_keras_object(
            config["backbone"], custom_objects=custom_objects
        )
        return cls(**{**config, "backbone": backbone})

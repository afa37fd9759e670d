"""LOGO-CAP's network: a picture in, everybody's poses out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from tfpose.backbones.base import Backbone
from tfpose.codecs.centre_poses import find_centres, upsample
from tfpose.logocap.attraction import best_places, refine_windows, weighted_peaks
from tfpose.logocap.centre_net import CentreNet, Dense, Poses, as_skeleton
from tfpose.logocap.expansion import (
    expand_poses,
    gaussian_window,
    joint_scales,
    sample_features,
    sample_windows,
)
from tfpose.logocap.heads import dense_model
from tfpose.logocap.message_passing import MessagePassing
from tfpose.skeletons import Skeleton

__all__ = ["LEVELS", "LogoCapNet", "Refined"]

LEVELS = ("none", "partial", "full")
"""How poses are adapted to the picture. `none`: not at all, they are centre and
offsets. `partial`: each joint moves to the best place of its local map. `full`: to the
peak of its refined heatmap."""


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
class LogoCapNet(CentreNet):
    """Finds everybody in a picture, and adapts each pose to the picture: a `CentreNet`.

    Its adaptation can be had part by part, too: `attract`, `refine`.

    Args:
        skeleton: `Skeleton` of J joints with OKS sigmas, or its dict.
        backbone: see `CentreNet`. The published one is `HRNet((None, None, 3),
            width=32, return_all=True)`.
        slots: see `CentreNet`.
        pyramid_filters: int. Channels of a feature pyramid after a backbone of stride
            32, see `merge_pyramid`; 0 for none.
        feature_filters: int. F.
        heat_filters: int. Channels before the heatmaps. Defaults to the backbone's at
            stride 4, or the pyramid's.
        offset_filters: int. Channels before the offsets.
        message_filters: three ints, see `MessagePassing`.
        affines: int, see `AttentiveNorm`.
        radius: int. Of local maps: k = 2 * radius + 1 places each way.
        window_radius: int. Of windows of heatmaps: n = 2 * window_radius + 1 pixels.
        window_sigma: float. Standard deviation of the Gaussian by which windows are
            multiplied, pixels.
        threshold: see `CentreNet`.
        info: see `CentreNet`.
        dtype: Keras dtype policy of backbone's and hidden layers. Outputs, and what is
            computed of them, are float32.

    Raises:
        InputError: the skeleton has no sigmas, or backbone and `pyramid_filters` do
            not give maps at stride 4.

    Reference: Xue et al., "Learning Local-Global Contextual Adaptation for Multi-Person
    Pose Estimation", CVPR 2022 (arXiv:2109.03622).
    """

    levels = LEVELS

    def __init__(
        self,
        skeleton: Skeleton | dict[str, Any],
        backbone: Backbone,
        slots: int = 30,
        pyramid_filters: int = 0,
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
        skeleton = as_skeleton(skeleton)
        scales = joint_scales(skeleton)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        joints = skeleton.num_joints
        dense = dense_model(
            backbone,
            joints,
            pyramid_filters,
            feature_filters,
            heat_filters,
            offset_filters,
            policy,
        )
        arguments = {
            "pyramid_filters": pyramid_filters,
            "feature_filters": feature_filters,
            "heat_filters": heat_filters,
            "offset_filters": offset_filters,
            "message_filters": list(message_filters),
            "affines": affines,
            "radius": radius,
            "window_radius": window_radius,
            "window_sigma": window_sigma,
        }
        super().__init__(
            skeleton,
            backbone,
            dense,
            slots,
            threshold,
            info,
            arguments,
            name=name,
            dtype=policy,
            **kwargs,
        )
        self.joint_scales = scales
        self.radius, self.window_radius = radius, window_radius
        self.window_sigma = window_sigma
        self.message_passing = MessagePassing(
            joints, message_filters, affines, name="message_passing", dtype=policy
        )
        side = 2 * radius + 1
        self.message_passing.build((None, side, side, joints * feature_filters))
        self._window = gaussian_window(window_radius, window_sigma)

    def find_centres(self, centre_map: Any) -> tuple[Any, Any]:
        """See `CentreNet`; peaks of the map at the input's size."""
        return find_centres(upsample(centre_map, self.stride)[..., 0], self.slots)

    def joint_values(self, heatmaps: Any, keypoints: Any) -> Any:
        """See `CentreNet`."""
        return sample_windows(heatmaps, keypoints, 0, self.stride)[..., 0, 0]

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

    def adapt(self, dense: Dense, poses: Poses, level: str) -> tuple[Any, Any]:
        """See `CentreNet`."""
        if level == "none":
            return super().adapt(dense, poses, level)
        if level == "partial":
            expansion, attraction = self.attract(dense, poses)
            return best_places(expansion, ops.clip(attraction, 0, 1))
        refined = self.refine(dense, poses)
        return refined.keypoints, refined.values

"""DEKR's network: centres, and offsets by a branch of its own for each joint."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.backbones.base import Backbone
from tfpose.backbones.blocks import Blocks, official_initializer
from tfpose.codecs.centre_poses import find_centres
from tfpose.codecs.sampling import sample_cells
from tfpose.logocap.adaptive import AdaptiveConvolution
from tfpose.logocap.centre_net import CentreNet, as_skeleton
from tfpose.logocap.heads import maps_at_stride_4
from tfpose.skeletons import Skeleton

__all__ = ["DekrNet"]

# Cells a side of what a centre is the highest of, by the mean of a map's sides above
# which it is that large.
_NEIGHBOURHOODS = ((300, 7), (200, 5), (0, 3))


@keras.saving.register_keras_serializable(package="tfpose")
class DekrNet(CentreNet):
    """Finds everybody in a picture by adaptive convolutions: a `CentreNet`.

    A joint's value is that of its heatmap where the offset puts it. Cell c of a map is
    pixel 4c of the input, as published.

    Args:
        skeleton: see `CentreNet`.
        backbone: see `CentreNet`. The published one is `HRNet((None, None, 3),
            width=32, return_all=True)`.
        slots: see `CentreNet`.
        heat_filters: int. Channels before the heatmaps. Defaults to the backbone's at
            stride 4.
        joint_filters: int. Channels of each joint's branch.
        threshold: see `CentreNet`.
        info: see `CentreNet`.
        dtype: Keras dtype policy of backbone's and hidden layers. Outputs, and what is
            computed of them, are float32.

    Raises:
        InputError: the backbone's stride is not 4.

    Reference: Geng et al., "Bottom-Up Human Pose Estimation Via Disentangled Keypoint
    Regression", CVPR 2021 (arXiv:2104.02300).
    """

    ranks_by_joints = True

    def __init__(
        self,
        skeleton: Skeleton | dict[str, Any],
        backbone: Backbone,
        slots: int = 30,
        heat_filters: int | None = None,
        joint_filters: int = 15,
        threshold: float = 0.01,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        name: str = "dekr",
        **kwargs: Any,
    ) -> None:
        skeleton = as_skeleton(skeleton)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        dense = _dense_model(
            backbone, skeleton.num_joints, heat_filters, joint_filters, policy
        )
        arguments = {"heat_filters": heat_filters, "joint_filters": joint_filters}
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

    def mirror(self, images: Any) -> Any:
        """See `CentreNet`; 3 pixels to the left, as cell c is pixel 4c, not 4c + 1.5.

        The last 3 pixels stay, too, as published.
        """
        mirrored, moved = super().mirror(images), self.stride - 1
        return ops.concatenate([mirrored[:, :, moved:], mirrored[:, :, -moved:]], 2)

    def find_centres(self, centre_map: Any) -> tuple[Any, Any]:
        """See `CentreNet`; a larger map's peaks are the highest of more cells."""
        side = sum(centre_map.shape[1:3]) / 2
        near = next(cells for least, cells in _NEIGHBOURHOODS if side > least)
        cells, heights = find_centres(centre_map[..., 0], self.slots, near)
        return cells * self.stride, heights

    def joint_values(self, heatmaps: Any, keypoints: Any) -> Any:
        """See `CentreNet`; at the pixel that a keypoint is in."""
        height, width, joints = heatmaps.shape[1:]
        places = ops.floor(keypoints[..., ::-1]) / self.stride
        limits = np.array([height - 1, width - 1], np.float32)
        found = sample_cells(heatmaps, ops.clip(places, 0.0, limits))
        return ops.sum(found * ops.eye(joints), axis=-1)


def _dense_model(
    backbone: Backbone,
    joints: int,
    heat_filters: int | None,
    joint_filters: int,
    policy: keras.DTypePolicy,
) -> keras.Model:
    """Pixels 0..255 `[B, H, W, 3]` to heatmaps `[B, h, w, J + 1]` and offsets
    `[B, h, w, 2 * J]` at stride 4, float32.
    """
    blocks = Blocks(official_initializer(), policy)
    images, x, channels = maps_at_stride_4(backbone, policy)
    filters = heat_filters or channels
    heat = blocks.conv_norm(x, filters, 1, name="heat")
    heat = blocks.basic_block(heat, filters, name="heat_block")
    joined = blocks.conv_norm(x, joints * joint_filters, 1, name="offset")
    offsets = []
    for joint in range(joints):
        own = joined[..., joint * joint_filters : (joint + 1) * joint_filters]
        for number in range(2):
            own = _adaptive_block(own, blocks, f"joint{joint}_block{number}")
        offsets.append(_output(own, 2, f"joint{joint}_head"))
    offset = keras.layers.Concatenate(name="offsets", dtype="float32")(offsets)
    outputs = [_output(heat, joints + 1, "heat_head"), offset]
    return keras.Model(images, outputs, name="dense")


def _adaptive_block(x: Any, blocks: Blocks, name: str) -> Any:
    y = AdaptiveConvolution(x.shape[-1], name=f"{name}_conv", dtype=blocks.dtype)(x)
    y = blocks.add([blocks.norm(y, f"{name}_bn"), x], f"{name}_add")
    return blocks.relu(y, f"{name}_relu")


def _output(x: Any, channels: int, name: str) -> Any:
    return keras.layers.Conv2D(
        channels,
        1,
        kernel_initializer=official_initializer(),
        name=name,
        dtype="float32",
    )(x)

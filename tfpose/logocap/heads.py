"""Dense layers: from pixels to heatmaps, offsets and LOGO-CAP's features."""

from typing import Any

import keras
from keras import ops

from tfpose.backbones.base import Backbone, normalization
from tfpose.backbones.blocks import Blocks, official_initializer
from tfpose.backbones.pyramid import merge_pyramid
from tfpose.errors import InputError
from tfpose.logocap.message_passing import torch_uniform

__all__ = ["JoinedMaps", "dense_model", "maps_at_stride_4"]


@keras.saving.register_keras_serializable(package="tfpose")
class JoinedMaps(keras.layers.Layer):
    """Maps `[B, h_i, w_i, C_i]`, resized to the first one's size, side by side.

    Sizes are integer parts of the first one's. Bilinear.
    """

    def call(self, maps: list[Any]) -> Any:
        size = tuple(maps[0].shape[1:3])
        resized = [
            ops.image.resize(one, size, "bilinear", data_format="channels_last")
            for one in maps[1:]
        ]
        return ops.concatenate([maps[0], *resized], axis=-1)

    def compute_output_shape(self, shapes: list[Any]) -> tuple[Any, ...]:
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def maps_at_stride_4(
    backbone: Backbone, policy: keras.DTypePolicy, pyramid_filters: int = 0
) -> tuple[Any, Any, int]:
    """All maps of a backbone as one at stride 4.

    Args:
        backbone: returns its map at stride 4, or all of its maps.
        policy: Keras dtype policy of the layers.
        pyramid_filters: channels of a feature pyramid, see `merge_pyramid`; with 0 maps
            are enlarged and put side by side.

    Returns:
        Keras tensors: pixels 0..255 `[B, H, W, 3]` and the map `[B, h, w, C]`; and the
        channels of the backbone's own map at stride 4, or of the pyramid.

    Raises:
        InputError: the backbone has stride 32 and there is no pyramid, or does not
            return the maps of one.
    """
    if not pyramid_filters and backbone.stride != 4:
        raise InputError(
            f"backbone {backbone.name} has stride {backbone.stride}, expected 4"
        )
    images = keras.Input(backbone.input_shape[1:], name="image", dtype="float32")
    maps = backbone(normalization(backbone.image_mean, backbone.image_std)(images))
    if pyramid_filters:
        blocks = Blocks(official_initializer(), policy)
        return images, merge_pyramid(blocks, maps, pyramid_filters), pyramid_filters
    maps = [maps[name] for name in sorted(maps)] if isinstance(maps, dict) else [maps]
    return images, JoinedMaps(name="joined", dtype=policy)(maps), maps[0].shape[-1]


def dense_model(
    backbone: Backbone,
    joints: int,
    pyramid_filters: int,
    feature_filters: int,
    heat_filters: int | None,
    offset_filters: int,
    policy: keras.DTypePolicy,
) -> keras.Model:
    """LOGO-CAP's: pixels 0..255 `[B, H, W, 3]` to three float32 maps at stride 4.

    Heatmaps `[B, h, w, J + 1]`, offsets `[B, h, w, 2 * J]` and features
    `[B, h, w, feature_filters]`; each by a 1x1 convolution with batch normalisation and
    ReLU of all of the backbone's maps together, the first two by another 1x1
    convolution.

    Raises:
        InputError: see `maps_at_stride_4`.
    """
    images, x, channels = maps_at_stride_4(backbone, policy, pyramid_filters)
    heat = _hidden(x, heat_filters or channels, "heat", policy)
    outputs = [
        _output(heat, joints + 1, "heat"),
        _output(_hidden(x, offset_filters, "offset", policy), 2 * joints, "offset"),
        _float32(_hidden(x, feature_filters, "feature", policy)),
    ]
    return keras.Model(images, outputs, name="dense")


def _hidden(x: Any, filters: int, name: str, policy: keras.DTypePolicy) -> Any:
    x = keras.layers.Conv2D(
        filters,
        1,
        use_bias=False,
        kernel_initializer=torch_uniform(),
        name=f"{name}_conv",
        dtype=policy,
    )(x)
    x = keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}_norm", dtype=policy
    )(x)
    return keras.layers.ReLU(name=f"{name}_relu", dtype=policy)(x)


def _output(x: Any, channels: int, name: str) -> Any:
    return keras.layers.Conv2D(
        channels,
        1,
        kernel_initializer=torch_uniform(),
        name=f"{name}_head",
        dtype="float32",
    )(x)


def _float32(x: Any) -> Any:
    return keras.layers.Identity(name="features", dtype="float32")(x)

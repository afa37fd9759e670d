"""Dense layers: from pixels to heatmaps, offsets and LOGO-CAP's features."""

from typing import Any

import keras
from keras import ops

from tfpose.backbones.base import Backbone
from tfpose.errors import InputError
from tfpose.logocap.message_passing import torch_uniform
from tfpose.top_down.net import IMAGE_MEAN, IMAGE_STD

__all__ = ["JoinedMaps", "dense_model", "joined_maps"]


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


def joined_maps(backbone: Backbone, policy: keras.DTypePolicy) -> tuple[Any, Any, int]:
    """All maps of a backbone side by side at stride 4.

    Returns:
        Keras tensors: pixels 0..255 `[B, H, W, 3]` and the maps `[B, h, w, C]`; and the
        channels of the backbone's own map at stride 4.

    Raises:
        InputError: the backbone's stride is not 4.
    """
    if backbone.stride != 4:
        raise InputError(
            f"backbone {backbone.name} has stride {backbone.stride}, expected 4"
        )
    images = keras.Input(backbone.input_shape[1:], name="image", dtype="float32")
    x = keras.layers.Rescaling(
        scale=[1 / (255 * deviation) for deviation in IMAGE_STD],
        offset=[-m / s for m, s in zip(IMAGE_MEAN, IMAGE_STD, strict=True)],
        name="normalization",
        dtype="float32",
    )(images)
    maps = backbone(x)
    maps = [maps[name] for name in sorted(maps)] if isinstance(maps, dict) else [maps]
    return images, JoinedMaps(name="joined", dtype=policy)(maps), maps[0].shape[-1]


def dense_model(
    backbone: Backbone,
    joints: int,
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
        InputError: the backbone's stride is not 4.
    """
    images, x, channels = joined_maps(backbone, policy)
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

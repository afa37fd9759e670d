"""Heatmap nets: from the pixels of one person's box to one heatmap per joint."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import keras

from tfpose.backbones.base import Backbone, normalization
from tfpose.backbones.blocks import Blocks, official_initializer
from tfpose.backbones.efficientnet_lite import EfficientNetLite
from tfpose.backbones.hrnet import HRNet
from tfpose.backbones.pixels import Pixels
from tfpose.backbones.pyramid import merge_pyramid
from tfpose.backbones.resnet import DEPTHS, ResNet
from tfpose.errors import InputError
from tfpose.net_info import info_text
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.tokens import TokenHead

__all__ = [
    "NETS",
    "HeatmapNet",
    "build_heatmap_net",
    "find_net",
]

# The first stages of HRNet, as in TokenPose.
_STEM: dict[str, Any] = {
    "backbone": HRNet,
    "arguments": {"width": 32, "stage_modules": ()},
}
_TO_STAGE3: dict[int, dict[str, Any]] = {
    width: {"backbone": HRNet, "arguments": {"width": width, "stage_modules": (1, 4)}}
    for width in (32, 48)
}

# Named nets: the backbone's class and arguments, those of `HeatmapNet` that are not the
# defaults, and for TokenPose the arguments of `TokenHead.for_input`.
NETS: dict[str, dict[str, Any]] = {
    **{
        f"hrnet_w{width}": {"backbone": HRNet, "arguments": {"width": width}}
        for width in (32, 48)
    },
    **{
        f"resnet{depth}": {"backbone": ResNet, "arguments": {"depth": depth}}
        for depth in DEPTHS
    },
    "tokenpose_t": {
        "backbone": Pixels,
        "arguments": {},
        "tokens": {"patches": 16, "depth": 12, "heads": 16},
    },
    "tokenpose_s_v1": {
        **_STEM,
        "tokens": {"patches": 16, "depth": 12, "heads": 8, "scale_by_head": False},
    },
    "tokenpose_s_v2": {
        **_STEM,
        "tokens": {
            "patches": 32,
            "square": True,
            "depth": 12,
            "heads": 8,
            "scale_by_head": False,
        },
    },
    "tokenpose_b": {
        **_TO_STAGE3[32],
        "tokens": {"patches": 16, "depth": 12, "heads": 8},
    },
    "tokenpose_l_d6": {
        **_TO_STAGE3[48],
        "tokens": {"patches": 16, "depth": 2, "heads": 8, "groups": 3},
    },
    "tokenpose_l_d24": {
        **_TO_STAGE3[48],
        "tokens": {"patches": 16, "depth": 8, "heads": 12, "groups": 3},
    },
    # For two CPU cores: 1.3 M parameters, 86 M multiply-adds at 96x96.
    "hrnet_small": {
        "backbone": HRNet,
        "arguments": {
            "width": 16,
            "stem_filters": 16,
            "stage_modules": (1, 1, 1),
            "blocks_per_branch": 2,
            "stage1_blocks": 1,
        },
    },
    # SimpleBaseline of about as much arithmetic.
    "resnet_small": {
        "backbone": ResNet,
        "arguments": {"depth": 18, "width": 24},
        "head": {"deconv_filters": (64, 64, 64)},
    },
    # For phones: 2.5 M parameters.
    "efficientnet_lite0": {
        "backbone": EfficientNetLite,
        "arguments": {"stages": 6, "return_all": True},
        "head": {"pyramid_filters": 64},
    },
    # For tests only; not accurate.
    "hrnet_tiny": {
        "backbone": HRNet,
        "arguments": {
            "width": 8,
            "stem_filters": 8,
            "stage_modules": (1, 1, 1),
            "blocks_per_branch": 1,
            "stage1_blocks": 1,
        },
    },
}


@keras.saving.register_keras_serializable(package="tfpose")
class HeatmapNet(PoseNet):
    """A backbone and a head with one heatmap per output at stride 4.

    Takes RGB pixels 0..255, uint8 or float, `[B, H, W, 3]`, normalises them, and
    returns heatmaps `[B, h, w, num_outputs]` float32, h = ceil(H / 4). With six input
    channels the first three are a mosaic and the last three the unshuffled image.

    After a backbone of stride 4 the head is one 1x1 convolution (HRNet's pose net).
    After a backbone of stride 32 it begins with transposed convolutions, each of which
    doubles the size (SimpleBaseline). With `pyramid_filters` the maps at all strides
    become one at stride 4 before the 1x1 convolution, see `merge_pyramid`. With
    `tokens` it is TokenPose's head, for a backbone of any stride. The layers' names are
    `normalization`, the backbone's, `deconv0_*`, ..., `pyramid<n>_*`, or those of
    `TokenHead.heatmaps`, and `head`.

    Args:
        backbone: a `Backbone` for images `[B, H, W, 3 or 6]`.
        num_outputs: int. Number of heatmaps: joints, or patches of a jigsaw puzzle.
        deconv_filters: sequence of int. Channels of the transposed convolutions.
            Defaults to three of 256 for stride 32 and none for stride 4.
        pyramid_filters: int. Channels of the feature pyramid of a backbone that returns
            all of its maps; 0 for none.
        info: dict. Stored in the `.keras` file as JSON, such as the skeleton, the
            targets' sigma or a summary of the training.
        kernel_initializer: Keras initialiser of the transposed convolutions.
            Defaults to the official N(0, 0.001), which the head always has.
        dtype: Keras dtype policy. Defaults to the global one. Normalisation and head
            always compute in float32.
        image_mean: three floats, subtracted from R, G and B in 0..1. Defaults to the
            backbone's. (SimpleBaseline's published weights were trained with red's mean
            subtracted from blue.)
        image_std: three floats by which R, G and B are then divided. Likewise.
        tokens: `TokenHead`, or its fields as a dict (`dataclasses.asdict`). Replaces
            the transposed and the 1x1 convolutions.

    Raises:
        InputError: backbone and `deconv_filters` do not give stride 4, the backbone
            does not return the maps that `pyramid_filters` wants, patches of
            `tokens` do not fill the backbone's map, the backbone's input does not have
            3 or 6 channels, `num_outputs` is not positive, or `info` is not JSON.

    References: Xiao et al., "Simple Baselines for Human Pose Estimation and
    Tracking", ECCV 2018 (arXiv:1804.06208); Sun et al., CVPR 2019
    (arXiv:1902.09212).
    """

    def __init__(
        self,
        backbone: Backbone,
        num_outputs: int,
        deconv_filters: Sequence[int] | None = None,
        info: dict[str, Any] | None = None,
        kernel_initializer: Any = None,
        dtype: Any = None,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        tokens: TokenHead | dict[str, Any] | None = None,
        pyramid_filters: int = 0,
        name: str = "heatmap_net",
        **kwargs: Any,
    ) -> None:
        if isinstance(tokens, dict):
            tokens = TokenHead.from_config(tokens)
        if deconv_filters is None:
            upsampled = not (tokens or pyramid_filters) and backbone.stride == 32
            deconv_filters = (256, 256, 256) if upsampled else ()
        deconv_filters = tuple(int(filters) for filters in deconv_filters)
        info = {} if info is None else info
        channels = backbone.input_shape[-1]
        _check_arguments(
            backbone, num_outputs, deconv_filters, pyramid_filters, tokens, info
        )
        initializer = keras.initializers.get(
            official_initializer() if kernel_initializer is None else kernel_initializer
        )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        blocks = Blocks(initializer, policy)

        # === Functional model ===
        inputs = keras.Input(backbone.input_shape[1:], name="image", dtype="float32")
        mean, std = image_mean or backbone.image_mean, image_std or backbone.image_std
        x = backbone(normalization(mean, std, channels // 3)(inputs))
        if tokens is not None:
            size = tuple(-(-side // self.stride) for side in inputs.shape[1:3])
            outputs = tokens.heatmaps(x, size, num_outputs, policy)
        else:
            for i, filters in enumerate(deconv_filters):
                x = blocks.deconv_norm(x, filters, name=f"deconv{i}")
            if pyramid_filters:
                x = merge_pyramid(blocks, x, pyramid_filters)
            outputs = keras.layers.Conv2D(
                num_outputs,
                1,
                kernel_initializer=official_initializer(),
                name="head",
                dtype="float32",
            )(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)

        # === Config ===
        self.backbone = backbone
        self.deconv_filters = deconv_filters
        self.pyramid_filters = pyramid_filters
        self.token_head = tokens
        self.info = info
        self.kernel_initializer = initializer
        self.policy = policy
        self.image_mean, self.image_std = tuple(mean), tuple(std)

    @property
    def output_layers(self) -> tuple[str, ...]:
        """Names of the layers whose weights belong to particular outputs."""
        return ("head",) if self.token_head is None else ("keypoint_tokens", "head")

    def get_config(self) -> dict[str, Any]:
        return {
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "num_outputs": self.num_outputs,
            "deconv_filters": list(self.deconv_filters),
            "pyramid_filters": self.pyramid_filters,
            "info": self.info,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "dtype": self.policy.name,
            "image_mean": list(self.image_mean),
            "image_std": list(self.image_std),
            "tokens": self.token_head and dataclasses.asdict(self.token_head),
            "name": self.name,
            "trainable": self.trainable,
        }


def find_net(net: str) -> dict[str, Any]:
    """The description of the net of that name: an entry of `NETS`, or one like it.

    Raises:
        InputError: the name is unknown.
    """
    wide = re.fullmatch(r"hrnet_w([1-9]\d*)", net)
    if net in NETS:
        return NETS[net]
    if wide:
        return {"backbone": HRNet, "arguments": {"width": int(wide.group(1))}}
    names = ", ".join([*NETS, "hrnet_w<width>"])
    raise InputError(f"unknown net {net!r}; expected one of {names}")


def build_heatmap_net(
    net: str,
    input_size: Sequence[int],
    num_outputs: int,
    *,
    input_channels: int = 3,
    info: dict[str, Any] | None = None,
    kernel_initializer: Any = None,
    dtype: Any = None,
) -> HeatmapNet:
    """Builds a heatmap net by name, with initial weights.

    Args:
        net: str. A key of `NETS`, or `hrnet_w<width>` with any width.
        input_size: (height, width) in pixels, each at least 32.
        num_outputs: int. Number of heatmaps.
        input_channels: int. 3, or 6 for a mosaic and the unshuffled image.
        info: dict. See `HeatmapNet`.
        kernel_initializer: Keras initialiser of backbone and transposed convolutions.
            Defaults to that of the named net.
        dtype: Keras dtype policy. Defaults to the global one.

    Raises:
        InputError: the name is unknown or a number is out of range.
    """
    config = find_net(net)
    if len(input_size) != 2 or min(input_size) < 32:
        raise InputError(
            f"input_size {tuple(input_size)} cannot be used; expected (height, width) "
            "of at least 32 pixels each"
        )
    if input_channels not in (3, 6):
        raise InputError(f"input_channels is {input_channels}; expected 3 or 6")
    arguments = dict(config["arguments"])
    if kernel_initializer is not None:
        arguments["kernel_initializer"] = kernel_initializer
    backbone = config["backbone"](
        input_shape=(*input_size, input_channels),
        dtype=dtype,
        name="backbone",
        **arguments,
    )
    tokens = None
    if "tokens" in config:
        tokens = TokenHead.for_input(input_size, backbone.stride, **config["tokens"])
    return HeatmapNet(
        backbone,
        num_outputs,
        tokens=tokens,
        info=info,
        kernel_initializer=arguments.get("kernel_initializer"),
        dtype=dtype,
        **config.get("head", {}),
    )


def _check_arguments(
    backbone: Backbone,
    num_outputs: int,
    deconv_filters: tuple[int, ...],
    pyramid_filters: int,
    tokens: TokenHead | None,
    info: dict[str, Any],
) -> None:
    channels = backbone.input_shape[-1]
    stride = backbone.stride / 2 ** len(deconv_filters)
    if pyramid_filters:
        if deconv_filters or tokens:
            raise InputError(
                "pyramid_filters is given with another head; expected one head"
            )
    elif tokens is not None:
        if deconv_filters:
            raise InputError("deconv_filters and tokens are both given; expected one")
        tokens.grid(backbone.output_shape[1:3])
    elif stride != HeatmapNet.stride:
        raise InputError(
            f"{len(deconv_filters)} deconv_filters after a backbone of stride "
            f"{backbone.stride} give heatmaps of stride {stride:g}; expected 4"
        )
    if channels not in (3, 6):
        raise InputError(f"the backbone takes {channels} channels; expected 3 or 6")
    if num_outputs < 1:
        raise InputError(f"num_outputs is {num_outputs}; expected at least 1")
    info_text(info)
